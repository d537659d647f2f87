package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// release is which Kubernetes the programs are: 1.34 and 1.20 want to be told some things differently.
type release struct{ major, minor int }

// old is what Debian's source package has (../debian).
var old = release{1, 20}

// releaseOf asks the programs themselves.
func releaseOf(programs string) (release, error) {
	var r release
	output, err := exec.Command(programs, "kubelet", "--version").Output()
	if err != nil {
		return r, fmt.Errorf("%s does not say which Kubernetes it is: %w", programs, err)
	}
	said := strings.TrimSpace(string(output))
	if _, err := fmt.Sscanf(said, "Kubernetes v%d.%d.", &r.major, &r.minor); err != nil {
		return r, fmt.Errorf("%s says that it is %q, which is no version of Kubernetes", programs, said)
	}
	return r, nil
}

// serverFlags are those of the API server.
func (r release) serverFlags() []string {
	if r == old {
		return []string{timeToLive}
	}
	return nil
}

// managerFlags are those of controller manager and scheduler.
func (r release) managerFlags(name string) []string {
	if r != old {
		return nil
	}
	// They serve without encryption too unless they are told not to, at a port that every cluster would have.
	flags := []string{"--port=0"}
	if name == "kube-controller-manager" {
		flags = append(flags, timeToLive)
	}
	return flags
}

// timeToLive: later ones remove Jobs after their end without being told that they may.
const timeToLive = "--feature-gates=TTLAfterFinished=true"

// kubeletFlags say what the configuration of later kubelets has.
func (r release) kubeletFlags(runtime string) []string {
	if r == old {
		return []string{"--container-runtime=remote", "--container-runtime-endpoint=" + runtime}
	}
	return nil
}

// kubeletFields adds to a kubelet's configuration what only some know. For 1.20 a flag names the runtime, and its pods'
// logs are always in /var/log/pods, which is in the cluster's folder too.
func (r release) kubeletFields(configuration map[string]any, runtime, logs string) {
	if r == old {
		// A node is not called ready before its second report, which later kubelets make at once.
		configuration["nodeStatusUpdateFrequency"] = "1s"
		return
	}
	configuration["containerRuntimeEndpoint"] = runtime
	configuration["podLogsDir"] = logs
}

// etcdAddress is a socket of etcd in the cluster's folder. etcd 3.4, which goes with 1.20, takes no address without a host
// and a port, and that API server looks at these alone before it believes that etcd is there. Of a socket both are
// the name of a file in the folder that a program runs in.
func (r release) etcdAddress(folder, name string) string {
	if r == old {
		return "unix://" + name + ":0"
	}
	return "unix://" + filepath.Join(folder, name+".sock")
}
