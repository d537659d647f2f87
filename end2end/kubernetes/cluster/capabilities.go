package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// missingError: this machine does not let us run pods. It names what is missing.
type missingError struct {
	what  string
	cause error
}

func (m *missingError) Error() string {
	return fmt.Sprintf("this machine cannot run pods, since %s cannot be had here: %v\n"+
		"         What needs no pods runs with --control-plane-only; or set KUBECONFIG to a cluster that can.", m.what, m.cause)
}

func (m *missingError) Unwrap() error { return m.cause }

func missing(what string, cause error) error { return &missingError{what, cause} }

// nodePrograms is what the node runs; Debian's packages bring them.
var nodePrograms = []string{"containerd", "containerd-shim-runc-v2", "ctr", "runc", "ip", "busybox", "blastn"}

// cniFolders is where distributions put the plugins that connect pods: Debian's, and everyone else's.
var cniFolders = []string{"/usr/lib/cni", "/opt/cni/bin"}

func cniFolder() (string, error) {
	for _, folder := range cniFolders {
		if exists(filepath.Join(folder, "bridge")) && exists(filepath.Join(folder, "host-local")) {
			return folder, nil
		}
	}
	return "", fmt.Errorf("the network plugins `bridge` and `host-local` are in none of %s", strings.Join(cniFolders, ", "))
}

// canRunPods tries what a node needs of the machine, so that what is missing is said before anything runs.
func canRunPods() error {
	if os.Geteuid() != 0 {
		return missing("root's rights", errors.New("containerd and kubelet run as root only"))
	}
	for _, program := range nodePrograms {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%w: `scripts/setup.sh cluster` installs it", err)
		}
	}
	if _, err := cniFolder(); err != nil {
		return fmt.Errorf("%w: `scripts/setup.sh cluster` installs them", err)
	}
	if len(cgroupHierarchies()) == 0 {
		return missing("control groups", fmt.Errorf("there are none in %s", cgroups))
	}
	probe, err := os.MkdirTemp("", "elb-cluster-probe-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(probe)
	command := exec.Command("/proc/self/exe", nodeCommand, probeArgument, probe)
	command.SysProcAttr = namespaces()
	if output, err := command.CombinedOutput(); err != nil {
		if len(output) > 0 {
			err = errors.New(strings.TrimSpace(string(output)))
		}
		return missing("a mount and a process namespace of its own", err)
	}
	return nil
}

// namespaces of the node: mounts, so that what it mounts is seen by nobody else and goes with it;
// processes, so that all of them end with the first.
func namespaces() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
}
