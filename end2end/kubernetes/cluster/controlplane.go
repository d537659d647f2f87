package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// How long the control plane may take until it is ready; far above what it takes on a busy machine.
const controlPlanePatience = 180 * time.Second

// serviceRange is where services get their addresses on a cluster without pods. Nothing routes there.
const serviceRange = "10.213.255.0/24"

// controlPlane is etcd, API server, controller manager and scheduler. etcd listens on a socket that only
// its owner can open, since whoever writes there is the master of the cluster.
type controlPlane struct {
	// slot is the place of its pods; none without pods.
	slot       *slot
	folder     string
	programs   string
	release    release
	ca         *authority
	admin      pair
	kubeconfig string
	server     string
	api        *api
	processes  []*process
}

// startControlPlane starts it and waits until a pod could be made. What it started is in the answer
// even if it fails.
func startControlPlane(folder, programs string, which release, ca *authority, place *slot, say func(string)) (*controlPlane, error) {
	c := &controlPlane{folder: folder, programs: programs, release: which, ca: ca, slot: place, kubeconfig: filepath.Join(folder, "kubeconfig")}
	if err := c.etcd(); err != nil {
		return c, err
	}
	if err := c.apiserver(); err != nil {
		return c, err
	}
	deadline := time.Now().Add(controlPlanePatience)
	if err := await("the API server", deadline, c.processes, c.api.ready); err != nil {
		return c, err
	}
	say("API server on " + c.server)
	if err := c.controllers(); err != nil {
		return c, err
	}
	if err := c.scheduler(); err != nil {
		return c, err
	}
	if err := await("the controller manager", deadline, c.processes, c.api.canMakePods); err != nil {
		return c, err
	}
	say("controllers and scheduler")
	return c, nil
}

func (c *controlPlane) path(parts ...string) string {
	return filepath.Join(append([]string{c.folder}, parts...)...)
}

// run starts one of the programs with its flags.
func (c *controlPlane) run(name string, flags ...string) error {
	command := exec.Command(c.programs, append([]string{name}, flags...)...)
	// What it leaves anywhere but where it is told to.
	command.Dir = c.folder
	started, err := startProcess(name, c.path("logs"), command)
	if err == nil {
		c.processes = append(c.processes, started)
	}
	return err
}

func (c *controlPlane) etcdURL() string { return c.release.etcdAddress(c.folder, "etcd") }

func (c *controlPlane) etcd() error {
	return c.run("etcd",
		"--data-dir="+c.path("etcd"),
		"--listen-client-urls="+c.etcdURL(), "--listen-peer-urls="+c.release.etcdAddress(c.folder, "peer"),
		// It insists on addresses to tell others, of which there are none.
		"--advertise-client-urls=http://127.0.0.1:2379",
		"--initial-advertise-peer-urls=http://127.0.0.1:2380", "--initial-cluster=default=http://127.0.0.1:2380",
		// Nothing in it is worth surviving a power cut.
		"--unsafe-no-fsync", "--log-level=warn")
}

func (c *controlPlane) apiserver() error {
	addresses, services := []net.IP{net.IPv4(127, 0, 0, 1)}, serviceRange
	if c.slot != nil {
		addresses, services = append(addresses, net.ParseIP(c.slot.api())), c.slot.services()
	}
	serving, err := c.ca.sign("apiserver", identity{user: "kube-apiserver",
		addresses: addresses, names: []string{"localhost", "kubernetes.default.svc"}})
	if err != nil {
		return err
	}
	toKubelet, err := c.ca.sign("apiserver-kubelet", identity{user: "kube-apiserver-kubelet", group: "system:masters"})
	if err != nil {
		return err
	}
	if c.admin, err = c.ca.sign("admin", identity{user: "admin", group: "system:masters"}); err != nil {
		return err
	}
	if _, err = newKey(c.path("pki", "accounts.key")); err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	c.server = fmt.Sprintf("https://127.0.0.1:%d", port)
	if c.api, err = newAPI(c.server, c.ca, c.admin); err != nil {
		return err
	}
	if err = writeKubeconfig(c.kubeconfig, c.server, c.ca, c.admin); err != nil {
		return err
	}
	if err = c.kubectl(); err != nil {
		return err
	}
	return c.run("kube-apiserver", append(c.release.serverFlags(),
		"--etcd-servers="+c.etcdURL(),
		"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", port),
		"--cert-dir="+c.path("pki"),
		"--tls-cert-file="+serving.certificate, "--tls-private-key-file="+serving.key,
		"--client-ca-file="+c.ca.file(),
		"--authorization-mode=Node,RBAC",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+c.path("pki", "accounts.key"),
		"--service-account-signing-key-file="+c.path("pki", "accounts.key"),
		"--service-cluster-ip-range="+services,
		"--kubelet-certificate-authority="+c.ca.file(),
		"--kubelet-client-certificate="+toKubelet.certificate, "--kubelet-client-key="+toKubelet.key,
		"--kubelet-preferred-address-types=InternalIP",
		// A loopback address cannot be an endpoint of the service `kubernetes`.
		"--endpoint-reconciler-type=none",
		"--allow-privileged=true", "--profiling=false")...)
}

// kubectl writes a command that is the client of this cluster and no other.
func (c *controlPlane) kubectl() error {
	script := fmt.Sprintf("#!/bin/sh\nKUBECONFIG='%s' exec '%s' kubectl \"$@\"\n", c.kubeconfig, c.programs)
	return os.WriteFile(c.path("kubectl"), []byte(script), 0o700)
}

// client is the kubeconfig of one of the other programs.
func (c *controlPlane) client(name string, who identity) (string, error) {
	signed, err := c.ca.sign(name, who)
	if err != nil {
		return "", err
	}
	path := c.path("pki", name+".kubeconfig")
	return path, writeKubeconfig(path, c.server, c.ca, signed)
}

func (c *controlPlane) controllers() error {
	kubeconfig, err := c.client("controller-manager", identity{user: "system:kube-controller-manager"})
	if err != nil {
		return err
	}
	const name = "kube-controller-manager"
	return c.run(name, append(c.release.managerFlags(name),
		"--kubeconfig="+kubeconfig,
		"--use-service-account-credentials",
		"--service-account-private-key-file="+c.path("pki", "accounts.key"),
		"--root-ca-file="+c.ca.file(),
		"--leader-elect=false",
		// Its first requests, one per controller, would take seconds at the pace for a shared server.
		"--kube-api-qps=500", "--kube-api-burst=1000",
		"--flex-volume-plugin-dir="+c.path("volume-plugins"),
		// Port 0: it serves nothing, so it needs no port.
		"--secure-port=0")...)
}

func (c *controlPlane) scheduler() error {
	kubeconfig, err := c.client("scheduler", identity{user: "system:kube-scheduler"})
	if err != nil {
		return err
	}
	const name = "kube-scheduler"
	return c.run(name, append(c.release.managerFlags(name),
		"--kubeconfig="+kubeconfig, "--leader-elect=false", "--secure-port=0")...)
}

// portTaken tells whether the control plane failed because someone else took its port meanwhile.
func (c *controlPlane) portTaken() bool {
	log, err := os.ReadFile(c.path("logs", "kube-apiserver.log"))
	return err == nil && strings.Contains(string(log), "address already in use")
}

// kill ends all of it, what depends on others first.
func (c *controlPlane) kill() {
	for i := len(c.processes) - 1; i >= 0; i-- {
		c.processes[i].kill()
	}
	c.processes = nil
}

// freePort is a port of the loopback interface that nobody listened on a moment ago.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
