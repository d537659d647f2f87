//go:build debian

// Command kubernetes is all programs of a cluster in one, as ../main.go is, of Kubernetes 1.20.2 as Debian has its
// sources. It is compiled within those (scripts/kubernetes-debian.sh), with the packages that they have.
package main

import (
	"flag"
	"fmt"
	"math/rand"
	"os"
	"syscall"
	"time"
	_ "time/tzdata" // time zones of CronJobs

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // ways to log in that kubectl knows
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

const usage = "usage: kubernetes etcd|kube-apiserver|kube-controller-manager|kube-scheduler|kubelet|kubectl [ARGUMENT...]"

// etcd is a program of its own: Kubernetes' sources have only the library of an older one.
const etcd = "/usr/bin/etcd"

func main() {
	if len(os.Args) < 2 {
		fail(usage)
	}
	// Go before 1.20 gives every process the same random numbers, and names of pods are made of them.
	rand.Seed(time.Now().UnixNano())
	// Each of them reads the arguments that follow its own name.
	os.Args = os.Args[1:]
	switch os.Args[0] {
	case "etcd":
		fail(syscall.Exec(etcd, os.Args, os.Environ()))
	case "kube-apiserver":
		run(apiserver.NewAPIServerCommand())
	case "kube-controller-manager":
		run(controllers.NewControllerManagerCommand())
	case "kube-scheduler":
		run(scheduler.NewSchedulerCommand())
	case "kubelet":
		run(kubelet.NewKubeletCommand())
	case "kubectl":
		command := kubectl.NewDefaultKubectlCommand()
		pflag.CommandLine.AddGoFlagSet(flag.CommandLine)
		run(command)
	default:
		fail(usage)
	}
}

func run(command *cobra.Command) {
	pflag.CommandLine.SetNormalizeFunc(cliflag.WordSepNormalizeFunc)
	logs.InitLogs()
	defer logs.FlushLogs()
	if err := command.Execute(); err != nil {
		os.Exit(1)
	}
}

func fail(why any) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(2)
}
