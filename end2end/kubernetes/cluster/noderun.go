package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// nodeCommand runs the inside of a node; only node.go calls it, in new namespaces.
	nodeCommand = "__node"
	// probeArgument makes it only try what it needs, and end.
	probeArgument = "--probe"
	// kubeletOrder, on standard input, says that the API server is there, and of which release the kubelet is.
	kubeletOrder = "kubelet %d.%d\n"
)

// How long containerd may take until it listens; far above what it takes on a busy machine.
const containerdPatience = 60 * time.Second

// hostSettings are what the kubelet sets for the whole machine. It writes them to files of ours instead,
// which lie over the real ones.
var hostSettings = []string{
	"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
	"kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes", "net/ipv4/ip_forward",
}

// runNode is the first process of the node's namespaces. When it ends, for whatever reason, the kernel
// ends all others in them, pods too.
func runNode(arguments []string) error {
	if os.Getpid() != 1 || len(arguments) != 2 {
		return errUsage
	}
	if arguments[0] == probeArgument {
		return seclude(arguments[1], true)
	}
	folder, address := arguments[0], arguments[1]
	if err := seclude(folder, false); err != nil {
		return err
	}
	// Our input ends with whoever started us.
	orders := make(chan string)
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			orders <- lines.Text()
		}
		os.Exit(0)
	}()
	all := &children{waiting: map[int]chan syscall.WaitStatus{}}
	containerd, err := all.start(folder, "containerd", exec.Command("containerd", "--config", containerdConfiguration(folder)))
	if err != nil {
		return err
	}
	archives, err := buildImages(folder)
	if err != nil {
		return err
	}
	// Not before: it would also take leave of the programs that building runs.
	go all.reap()
	deadline := time.Now().Add(containerdPatience)
	for !exists(containerdSocket(folder)) {
		if time.Now().After(deadline) {
			return fmt.Errorf("containerd did not listen within %s; the end of its log:\n%s", containerdPatience, tail(logOf(folder, "containerd")))
		}
		time.Sleep(20 * time.Millisecond)
	}
	for _, archive := range archives {
		importing, err := all.start(folder, "import", importCommand(folder, archive))
		if err != nil {
			return err
		}
		if status := <-importing; status.ExitStatus() != 0 {
			return fmt.Errorf("%s cannot be imported:\n%s\nand the end of containerd's log:\n%s", archive, tail(logOf(folder, "import")), tail(logOf(folder, "containerd")))
		}
		os.Remove(archive)
	}
	fmt.Println("container runtime and images")

	var which release
	select {
	case order := <-orders:
		if _, err := fmt.Sscanf(order+"\n", kubeletOrder, &which.major, &which.minor); err != nil {
			return fmt.Errorf("the order %q: %w", order, err)
		}
	case <-containerd:
		return errors.New("containerd ended; the end of its log:\n" + tail(logOf(folder, "containerd")))
	}
	flags := append(which.kubeletFlags(runtimeAddress(folder)),
		"--config="+filepath.Join(folder, "kubelet.json"),
		"--kubeconfig="+filepath.Join(folder, "pki", "kubelet.kubeconfig"),
		"--root-dir="+filepath.Join(folder, "kubelet"),
		"--cert-dir="+filepath.Join(folder, "pki"),
		"--hostname-override="+nodeName, "--node-ip="+address)
	kubelet, err := all.start(folder, "kubelet", exec.Command(os.Getenv(programsVariable), append([]string{"kubelet"}, flags...)...))
	if err != nil {
		return err
	}
	select {
	case <-kubelet:
		return errors.New("the kubelet ended; the end of its log:\n" + tail(logOf(folder, "kubelet")))
	case <-containerd:
		return errors.New("containerd ended; the end of its log:\n" + tail(logOf(folder, "containerd")))
	}
}

func logOf(folder, name string) string { return filepath.Join(folder, "logs", name+".log") }

// children of the first process: those it started, and all that lost their parent, which it must take
// leave of too.
type children struct {
	starting sync.Mutex
	waiting  map[int]chan syscall.WaitStatus
}

// start starts one with its output in a log; what it ended with comes once.
func (c *children) start(folder, name string, command *exec.Cmd) (<-chan syscall.WaitStatus, error) {
	log, err := os.Create(logOf(folder, name))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	nothing, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer nothing.Close()
	path, err := exec.LookPath(command.Path)
	if err != nil {
		return nil, err
	}
	// Until it is noted down, reap must not take leave of it.
	c.starting.Lock()
	defer c.starting.Unlock()
	process, err := os.StartProcess(path, command.Args, &os.ProcAttr{Dir: folder, Env: os.Environ(), Files: []*os.File{nothing, log, log}})
	if err != nil {
		return nil, fmt.Errorf("%s cannot be started: %w", name, err)
	}
	ended := make(chan syscall.WaitStatus, 1)
	c.waiting[process.Pid] = ended
	return ended, nil
}

func (c *children) reap() {
	for {
		var status syscall.WaitStatus
		process, err := syscall.Wait4(-1, &status, 0, nil)
		if err != nil {
			// None at the moment (or a signal came in between).
			time.Sleep(20 * time.Millisecond)
			continue
		}
		c.starting.Lock()
		if ended, ours := c.waiting[process]; ours {
			ended <- status
			delete(c.waiting, process)
		}
		c.starting.Unlock()
	}
}

// seclude makes this namespace a place in which the programs of a node can write where they must
// without anybody outside seeing it: /run, /var/lib, /var/log and some settings of the kernel.
func seclude(folder string, probe bool) error {
	// Its own folder stays reachable, wherever it is.
	own, err := syscall.Open(folder, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", folder, err)
	}
	defer syscall.Close(own)
	scratch := filepath.Join(folder, "scratch")
	if probe {
		if err := os.MkdirAll(scratch, 0o700); err != nil {
			return err
		}
	}
	upper, work := filepath.Join(scratch, "upper"), filepath.Join(scratch, "work")
	steps := []struct{ source, target, kind, data string }{
		{"proc", "/proc", "proc", ""},
		{"tmpfs", scratch, "tmpfs", "mode=700"},
		{"overlay", "/var/lib", "overlay", strings.Join([]string{"lowerdir=/var/lib", "upperdir=" + upper, "workdir=" + work}, ",")},
		{"tmpfs", "/run", "tmpfs", "mode=755"},
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	for _, step := range steps {
		if step.kind == "overlay" {
			if err := both(os.Mkdir(upper, 0o755), os.Mkdir(work, 0o755)); err != nil {
				return err
			}
		}
		if err := syscall.Mount(step.source, step.target, step.kind, 0, step.data); err != nil {
			return fmt.Errorf("mounting %s on %s: %w", step.kind, step.target, err)
		}
	}
	if probe {
		return nil
	}
	for _, setting := range hostSettings {
		if err := cover(filepath.Join("/proc/sys", setting), filepath.Join(folder, "sysctl", strings.ReplaceAll(setting, "/", "."))); err != nil {
			return err
		}
	}
	if err := bind(filepath.Join(folder, "var-log"), "/var/log"); err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	return bind(fmt.Sprintf("/proc/self/fd/%d", own), folder)
}

// cover lays a file with the same content over a setting of the kernel, if there is that setting.
func cover(setting, file string) error {
	content, err := os.ReadFile(setting)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return err
	}
	return bind(file, setting)
}

func bind(source, target string) error {
	if err := syscall.Mount(source, target, "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
		return fmt.Errorf("binding %s to %s: %w", source, target, err)
	}
	return nil
}
