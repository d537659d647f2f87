package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// nodeName is the one node of the cluster.
const nodeName = "elb-node"

// How long the node may take until it is ready; far above what it takes on a busy machine.
const nodePatience = 180 * time.Second

// node is the machine that pods run on: containerd and kubelet in namespaces of their own, whose first
// process is ours (noderun.go). This half, outside, gives it its place on the machine and takes it back.
type node struct {
	folder  string
	release release
	slot    *slot
	process *process
	say     func(string)
	orders  io.WriteCloser
}

// startNode starts containerd and has it import the images; kubelet waits for join.
func startNode(folder, programs string, which release, say func(string)) (*node, error) {
	claimed, err := claimSlot()
	if err != nil {
		return nil, err
	}
	n := &node{folder: folder, release: which, slot: claimed, say: say}
	if err := n.begin(programs); err != nil {
		return nil, fmt.Errorf("%w%s", err, n.giveBack())
	}
	return n, nil
}

func (n *node) giveBack() string {
	if err := n.slot.release(); err != nil {
		return "; and then: " + err.Error()
	}
	return ""
}

func (n *node) begin(programs string) error {
	if err := writeNodeFiles(n.folder, n.slot); err != nil {
		return err
	}
	command := exec.Command("/proc/self/exe", nodeCommand, n.folder, n.slot.gateway())
	command.Env = append(os.Environ(), programsVariable+"="+programs, "TMPDIR="+filepath.Join(n.folder, "tmp"))
	command.SysProcAttr = namespaces()
	orders, err := command.StdinPipe()
	if err != nil {
		return err
	}
	n.orders = orders
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	command.Stdout = writer
	n.process, err = startProcess("node", filepath.Join(n.folder, "logs"), command)
	writer.Close()
	if err != nil {
		reader.Close()
		return err
	}
	go func() {
		defer reader.Close()
		for lines := bufio.NewScanner(reader); lines.Scan(); {
			n.say(lines.Text())
		}
	}()
	return nil
}

// join starts the kubelet and waits until the node is ready.
func (n *node) join(c *controlPlane) error {
	address := net.ParseIP(n.slot.gateway())
	serving, err := c.ca.sign("kubelet", identity{user: "system:node:" + nodeName, group: "system:nodes",
		addresses: []net.IP{address}, names: []string{nodeName}})
	if err != nil {
		return err
	}
	if err := writeKubeconfig(c.path("pki", "kubelet.kubeconfig"), c.server, c.ca, serving); err != nil {
		return err
	}
	if err := writeJSON(c.path("kubelet.json"), n.kubeletConfiguration(c, serving)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(n.orders, kubeletOrder, n.release.major, n.release.minor); err != nil {
		// Its input is closed when it has ended.
		<-n.process.done
		return n.process.failure()
	}
	processes := append(c.processes[:len(c.processes):len(c.processes)], n.process)
	if err := await("the node", time.Now().Add(nodePatience), processes, c.api.nodeReady); err != nil {
		return fmt.Errorf("%w\n         See also %s", err, filepath.Join(n.folder, "logs"))
	}
	n.say("node " + nodeName)
	return nil
}

// kubeletConfiguration as kubelet.config.k8s.io/v1beta1 has it.
func (n *node) kubeletConfiguration(c *controlPlane, serving pair) map[string]any {
	type object = map[string]any
	configuration := object{
		"apiVersion": "kubelet.config.k8s.io/v1beta1",
		"kind":       "KubeletConfiguration",
		"address":    n.slot.gateway(),
		// The port is free: the address is only ours.
		"port": kubeletPort, "healthzPort": 0, "readOnlyPort": 0,
		"tlsCertFile": serving.certificate, "tlsPrivateKeyFile": serving.key,
		"authentication": object{
			"anonymous": object{"enabled": false},
			"webhook":   object{"enabled": true},
			"x509":      object{"clientCAFile": c.ca.file()}},
		"authorization":   object{"mode": "Webhook"},
		"volumePluginDir": filepath.Join(n.folder, "kubelet", "volume-plugins"),
		"cgroupDriver":    "cgroupfs",
		"cgroupRoot":      "/" + n.slot.name(),
		// The machine is not ours alone: nothing of it is set apart, its swap and firewall are left alone.
		"enforceNodeAllocatable": []string{},
		"failSwapOn":             false,
		"makeIPTablesUtilChains": false,
		// Pods reach nothing by name: nobody answers there, which is quicker than a server outside that
		// they cannot reach, and spares each pod a warning.
		"resolvConf": "", "clusterDNS": []string{n.slot.gateway()}, "clusterDomain": "cluster.local",
		// A disk that is nearly full is no reason here to evict pods or to remove images, which
		// could not be had again.
		"evictionHard":                object{"memory.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%", "imagefs.inodesFree": "0%"},
		"imageGCHighThresholdPercent": 100, "imageGCLowThresholdPercent": 99,
	}
	n.release.kubeletFields(configuration, runtimeAddress(n.folder), filepath.Join(n.folder, "pod-logs"))
	return configuration
}

// kill ends the node and all pods at once, and gives its place on the machine back.
func (n *node) kill() error {
	n.process.kill()
	return n.slot.release()
}

// writeNodeFiles writes what containerd and the network plugins read.
func writeNodeFiles(folder string, s *slot) error {
	for _, name := range []string{"tmp", "kubelet", "pod-logs", "var-log", "sysctl", "scratch", "cni"} {
		if err := os.MkdirAll(filepath.Join(folder, name), 0o700); err != nil {
			return err
		}
	}
	type object = map[string]any
	network := object{
		"cniVersion": "0.4.0",
		"name":       s.name(),
		"plugins": []object{{
			"type":   "bridge",
			"bridge": s.bridge(),
			// The bridge has its address already. Were this plugin to give it one, it would also turn
			// the machine into a router.
			"isGateway": false, "ipMasq": false,
			"ipam": object{
				"type":    "host-local",
				"dataDir": filepath.Join(folder, "cni-addresses"),
				"ranges":  [][]object{{{"subnet": s.subnet(), "gateway": s.gateway()}}},
				"routes":  []object{{"dst": "0.0.0.0/0"}},
			},
		}},
	}
	if err := writeJSON(filepath.Join(folder, "cni", "10-bridge.conflist"), network); err != nil {
		return err
	}
	plugins, err := cniFolder()
	if err != nil {
		return err
	}
	return os.WriteFile(containerdConfiguration(folder), []byte(containerdTOML(folder, plugins)), 0o600)
}

func writeJSON(path string, value any) error {
	content, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o600)
}
