// Command cluster runs a whole Kubernetes cluster for tests on this machine, and ends it without a trace.
//
// It owns the order of things: certificates, control plane, node, readiness, and the end. All that the
// cluster is made of is a child of this process that the kernel kills with it, so not even SIGKILL
// leaves a process behind; what the kernel cannot take back by itself (a bridge, control groups) the
// next start of the same slot removes (slot.go).
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

const usage = `usage: cluster start [--control-plane-only] [--ends-with-input] [DIR] [-- COMMAND [ARGUMENT...]]
       cluster stop DIR
       cluster load DIR IMAGE.tar
       cluster image --tag NAME:TAG --out IMAGE.tar [--user UID] FILE[=PATH]...

start  runs a cluster until it is told to end (Ctrl-C, SIGTERM), or for as long as COMMAND runs, which
       finds KUBECONFIG set. Its state is in DIR; without one, in a temporary folder that goes with it.
       --control-plane-only   no containerd and no kubelet: needs no privileges, runs no pod
       --ends-with-input      ends when its standard input does, that is, with whoever started it
stop   ends the one in DIR and waits until it has ended
load   makes an image known to the one in DIR
image  builds an image out of files of this machine, with the libraries that they need`

// missingCapability is the exit code for a machine that cannot run pods: tests tell it apart from a
// cluster that is broken.
const missingCapability = 3

func main() {
	// A child gets SIGKILL when the *thread* that started it ends (Pdeathsig). The main thread ends
	// last, so everything is started from here.
	runtime.LockOSThread()
	if len(os.Args) < 2 {
		fail(errUsage)
	}
	arguments := os.Args[2:]
	var err error
	switch os.Args[1] {
	case "start":
		err = start(arguments)
	case "stop":
		err = stop(arguments)
	case "load":
		err = load(arguments)
	case "image":
		err = image(arguments)
	case nodeCommand:
		err = runNode(arguments)
	default:
		err = errUsage
	}
	if err != nil {
		fail(err)
	}
}

var errUsage = errors.New(usage)

// exitStatus ends this process with the status of the command that was run in the cluster.
type exitStatus int

func (status exitStatus) Error() string { return fmt.Sprintf("the command ended with %d", int(status)) }

// both is the first of two failures, with the second told after it; nil if there is none.
func both(first, second error) error {
	if first == nil {
		return second
	}
	if second == nil {
		return first
	}
	return fmt.Errorf("%w; and then: %v", first, second)
}

func fail(err error) {
	var status exitStatus
	if errors.As(err, &status) {
		os.Exit(int(status))
	}
	if err == errUsage {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	fmt.Fprintln(os.Stderr, "cluster:", err)
	var missing *missingError
	if errors.As(err, &missing) {
		os.Exit(missingCapability)
	}
	os.Exit(1)
}
