package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// How many clusters with pods one machine can have at a time.
const slots = 64

// slot is what one cluster has of the machine besides processes: a bridge, a range of addresses and a
// control group, all named after its number. An abstract socket, which the kernel frees with its owner,
// says whose it is; so whatever is there when a slot is claimed belongs to nobody and is removed.
type slot struct {
	number int
	lock   net.Listener
}

const cgroups = "/sys/fs/cgroup"

func (s *slot) name() string    { return fmt.Sprintf("elb-cluster-%d", s.number) }
func (s *slot) bridge() string  { return fmt.Sprintf("elbk8s%d", s.number) }
func (s *slot) subnet() string  { return fmt.Sprintf("10.213.%d.0/24", s.number) }
func (s *slot) gateway() string { return fmt.Sprintf("10.213.%d.1", s.number) }

// hardware is the bridge's own address. Left to the kernel it is the lowest of its ports' and changes as pods come
// and go: a pod that had just asked for it then speaks to nobody for the half minute until it asks again.
func (s *slot) hardware() string { return fmt.Sprintf("0a:58:0a:d5:%02x:01", s.number) }

// services is where services of this cluster get their addresses; pods leave by the bridge, which has the first.
func (s *slot) services() string { return fmt.Sprintf("10.214.%d.0/24", s.number) }
func (s *slot) api() string      { return fmt.Sprintf("10.214.%d.1", s.number) }

// claimSlot takes a free one and sets it up.
func claimSlot() (*slot, error) {
	for number := 0; number < slots; number++ {
		s := &slot{number: number}
		lock, err := net.Listen("unix", "@"+s.name())
		if err != nil {
			continue
		}
		s.lock = lock
		if err := s.remove(); err != nil {
			lock.Close()
			return nil, err
		}
		if taken(s.subnet()) || taken(s.services()) {
			lock.Close()
			continue
		}
		if err := s.setUp(); err != nil {
			return nil, both(err, s.release())
		}
		return s, nil
	}
	return nil, fmt.Errorf("all %d places for clusters on this machine are taken", slots)
}

// taken tells whether the machine has an address of that range already.
func taken(subnet string) bool {
	_, wanted, err := net.ParseCIDR(subnet)
	if err != nil {
		return true
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	for _, address := range addresses {
		if network, ok := address.(*net.IPNet); ok && (wanted.Contains(network.IP) || network.Contains(wanted.IP)) {
			return true
		}
	}
	return false
}

func (s *slot) setUp() error {
	for _, arguments := range [][]string{
		{"link", "add", s.bridge(), "address", s.hardware(), "type", "bridge"},
		{"address", "add", s.gateway() + "/24", "dev", s.bridge()},
		{"address", "add", s.api() + "/32", "dev", s.bridge()},
		{"link", "set", s.bridge(), "up"},
	} {
		if err := ip(arguments...); err != nil {
			return missing("a network bridge", err)
		}
	}
	for _, parent := range cgroupHierarchies() {
		if err := os.Mkdir(filepath.Join(parent, s.name()), 0o755); err != nil {
			return missing("control groups", err)
		}
	}
	return nil
}

// release gives it back, once the processes of the node are gone.
func (s *slot) release() error {
	defer s.lock.Close()
	return s.remove()
}

func (s *slot) remove() error {
	if _, err := net.InterfaceByName(s.bridge()); err == nil {
		if err := ip("link", "delete", s.bridge()); err != nil {
			return err
		}
	}
	for _, parent := range cgroupHierarchies() {
		if err := removeCgroup(filepath.Join(parent, s.name())); err != nil {
			return err
		}
	}
	return nil
}

// cgroupHierarchies is where a control group has to be made: one place with version 2, one for each
// controller with version 1.
func cgroupHierarchies() []string {
	if exists(filepath.Join(cgroups, "cgroup.controllers")) {
		return []string{cgroups}
	}
	found, _ := filepath.Glob(filepath.Join(cgroups, "*", "cgroup.procs"))
	var hierarchies []string
	seen := map[string]bool{}
	for _, file := range found {
		// Some are there under two names: cpu, cpuacct.
		place, err := filepath.EvalSymlinks(filepath.Dir(file))
		if err == nil && !seen[place] {
			seen[place] = true
			hierarchies = append(hierarchies, place)
		}
	}
	return hierarchies
}

// removeCgroup removes a control group and those in it. The kernel takes a moment to see that the last
// process has gone.
func removeCgroup(path string) error {
	var groups []string
	filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			groups = append(groups, path)
		}
		return nil
	})
	const patience = 10 * time.Second
	deadline := time.Now().Add(patience)
	for i := len(groups) - 1; i >= 0; i-- {
		for {
			err := os.Remove(groups[i])
			if err == nil || errors.Is(err, fs.ErrNotExist) {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("the control group cannot be removed: %w", err)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return nil
}

func ip(arguments ...string) error {
	output, err := exec.Command("ip", arguments...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(arguments, " "), err, strings.TrimSpace(string(output)))
	}
	return nil
}
