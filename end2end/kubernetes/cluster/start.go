package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// programsVariable names the program of ../main.go; scripts/cluster.sh builds it and says where it is.
const programsVariable = "ELB_KUBERNETES_PROGRAMS"

// errInterrupted: whoever started us wants it to end, which is no failure.
var errInterrupted = errors.New("told to end before the cluster was ready")

// interruption is closed once the cluster is to end.
var interruption = make(chan struct{})

func interrupted() bool {
	select {
	case <-interruption:
		return true
	default:
		return false
	}
}

// options of `start`.
type options struct {
	controlPlaneOnly, endsWithInput, temporary bool
	folder                                     string
	command                                    []string
}

func parseOptions(arguments []string) (options, error) {
	var o options
	for i, argument := range arguments {
		switch {
		case argument == "--":
			o.command = arguments[i+1:]
			if len(o.command) == 0 {
				return o, errUsage
			}
			return o, nil
		case argument == "--control-plane-only":
			o.controlPlaneOnly = true
		case argument == "--ends-with-input":
			o.endsWithInput = true
		case strings.HasPrefix(argument, "-") || o.folder != "":
			return o, errUsage
		default:
			o.folder = argument
		}
	}
	return o, nil
}

func start(arguments []string) error {
	began := time.Now()
	o, err := parseOptions(arguments)
	if err != nil {
		return err
	}
	listenForTheEnd(o.endsWithInput)
	say := func(what string) {
		fmt.Fprintf(os.Stderr, "  cluster  %s (%.1f s)\n", what, time.Since(began).Seconds())
	}
	programs := os.Getenv(programsVariable)
	if programs == "" {
		return fmt.Errorf("%s does not name the programs to run: start this with scripts/cluster.sh", programsVariable)
	}
	which, err := releaseOf(programs)
	if err != nil {
		return err
	}
	if !o.controlPlaneOnly {
		if err := canRunPods(); err != nil {
			return err
		}
	}
	if err := takeFolder(&o); err != nil {
		return err
	}
	running := &cluster{options: o, programs: programs, release: which, say: say}
	err = running.up()
	if err == nil {
		err = running.untilTheEnd()
	}
	if interrupted() && errors.Is(err, errInterrupted) {
		err = nil
	}
	say("ending")
	if left := running.down(); left != nil {
		err = both(err, left)
	}
	say("ended")
	return err
}

// listenForTheEnd closes `interruption` at a signal, or when the input of whoever started us is gone.
func listenForTheEnd(input bool) {
	reasons := make(chan struct{}, 2)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	// Whoever read our messages may go before us: that must not end us before we have put things back.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go func() { <-signals; reasons <- struct{}{} }()
	if input {
		go func() { io.Copy(io.Discard, os.Stdin); reasons <- struct{}{} }()
	}
	go func() { <-reasons; close(interruption) }()
}

// cluster is one that runs.
type cluster struct {
	options
	programs string
	release  release
	say      func(string)
	control  *controlPlane
	node     *node
}

// up starts everything and says how to reach it.
func (c *cluster) up() error {
	if err := os.MkdirAll(filepath.Join(c.folder, "logs"), 0o700); err != nil {
		return err
	}
	ca, err := newAuthority(filepath.Join(c.folder, "pki"))
	if err != nil {
		return err
	}
	if !c.controlPlaneOnly {
		// The container runtime and the images do not wait for the API server.
		if c.node, err = startNode(c.folder, c.programs, c.release, c.say); err != nil {
			return err
		}
	}
	var place *slot
	if c.node != nil {
		place = c.node.slot
	}
	const tries = 3
	for try := 1; ; try++ {
		c.control, err = startControlPlane(c.folder, c.programs, c.release, ca, place, c.say)
		if err == nil {
			break
		}
		if try == tries || !c.control.portTaken() {
			return err
		}
		c.control.kill()
		os.RemoveAll(filepath.Join(c.folder, "etcd"))
		c.say("its port was taken meanwhile: once more")
	}
	if c.node != nil {
		if err := relay(net.JoinHostPort(place.api(), "443"), c.control.server); err != nil {
			return err
		}
		if err := c.node.join(c.control); err != nil {
			return err
		}
	}
	return c.report()
}

// facts is what there is to know about it, as names and values.
func (c *cluster) facts() [][2]string {
	facts := [][2]string{{"KUBECONFIG", c.control.kubeconfig}, {"ELB_CLUSTER_KUBECTL", c.control.path("kubectl")}}
	if c.node != nil {
		facts = append(facts, [2]string{"ELB_CLUSTER_IMAGE", blastImage}, [2]string{"ELB_CLUSTER_HOST", c.node.slot.gateway()})
	}
	return facts
}

// report writes the facts to standard output, for programs, and ends with a line `ready`.
func (c *cluster) report() error {
	var lines strings.Builder
	for _, fact := range c.facts() {
		fmt.Fprintf(&lines, "%s=%s\n", fact[0], fact[1])
	}
	c.say("ready")
	if len(c.command) > 0 {
		// Standard output is the command's.
		return nil
	}
	if !c.endsWithInput {
		// Someone sits there and reads.
		fmt.Fprintf(os.Stderr, "\n  export KUBECONFIG=%s\n  %s get nodes\n\n  Ctrl-C ends it; its logs are in %s\n\n",
			c.control.kubeconfig, c.control.path("kubectl"), c.control.path("logs"))
	}
	_, err := fmt.Print(lines.String() + "ready\n")
	return err
}

// untilTheEnd waits until it is to end, or runs the command; a program that ends by itself is an error.
func (c *cluster) untilTheEnd() error {
	processes := c.control.processes
	if c.node != nil {
		processes = append(processes[:len(processes):len(processes)], c.node.process)
	}
	broken := make(chan *process, len(processes))
	for _, p := range processes {
		go func(p *process) { <-p.done; broken <- p }(p)
	}
	if len(c.command) > 0 {
		return c.runCommand(broken)
	}
	select {
	case <-interruption:
		return nil
	case p := <-broken:
		return p.failure()
	}
}

func (c *cluster) runCommand(broken <-chan *process) error {
	command := exec.Command(c.command[0], c.command[1:]...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.Env = os.Environ()
	for _, fact := range c.facts() {
		command.Env = append(command.Env, fact[0]+"="+fact[1])
	}
	// In our process group: Ctrl-C is for it as well.
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := command.Start(); err != nil {
		return fmt.Errorf("the command cannot be started: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	var failure error
	select {
	case <-ended:
	case <-interruption:
		command.Process.Signal(syscall.SIGTERM)
		<-ended
	case p := <-broken:
		failure = p.failure()
		command.Process.Signal(syscall.SIGTERM)
		<-ended
	}
	if failure != nil {
		return failure
	}
	state := command.ProcessState
	if state.Success() {
		return nil
	}
	if status := state.ExitCode(); status > 0 {
		return exitStatus(status)
	}
	return fmt.Errorf("the command ended: %s", state)
}

// down ends everything and removes all but the logs; of a temporary one those too.
func (c *cluster) down() error {
	var failure error
	if c.node != nil {
		failure = c.node.kill()
	}
	if c.control != nil {
		c.control.kill()
	}
	if c.temporary {
		return both(failure, os.RemoveAll(c.folder))
	}
	return both(failure, clearFolder(c.folder))
}
