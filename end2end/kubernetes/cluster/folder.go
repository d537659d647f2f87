package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The folder of a cluster: everything that it writes is in there. The file `pid` in it says that it is one,
// and which process runs it; it is the first thing that is written and the last that goes.

// takeFolder makes the folder ours: a new one, an empty one, or one that a cluster left that was killed.
func takeFolder(o *options) error {
	if o.folder == "" {
		removeOrphans()
		folder, err := os.MkdirTemp("", temporaryPrefix)
		if err != nil {
			return err
		}
		o.folder, o.temporary = folder, true
	}
	var err error
	if o.folder, err = filepath.Abs(o.folder); err != nil {
		return err
	}
	// The longest path of a socket that the kernel takes, and of our sockets.
	const longest, ours = 107, len("/containerd.sock.ttrpc")
	if len(o.folder)+ours > longest {
		return fmt.Errorf("%s is too long for the sockets in it: %d characters are possible", o.folder, longest-ours)
	}
	if err := os.MkdirAll(o.folder, 0o700); err != nil {
		return err
	}
	if owner := ownerOf(o.folder); owner != 0 {
		return fmt.Errorf("a cluster runs in %s already, process %d: end it with `scripts/cluster.sh stop %s`", o.folder, owner, o.folder)
	}
	content, err := os.ReadDir(o.folder)
	if err != nil {
		return err
	}
	for _, entry := range content {
		if entry.Name() != "logs" && !exists(pidFile(o.folder)) {
			return fmt.Errorf("%s is not empty and not a cluster's: name another folder", o.folder)
		}
	}
	if err := clearFolder(o.folder); err != nil {
		return err
	}
	os.RemoveAll(filepath.Join(o.folder, "logs"))
	started, err := startTime(os.Getpid())
	if err != nil {
		return err
	}
	return os.WriteFile(pidFile(o.folder), fmt.Appendf(nil, "%d %s\n", os.Getpid(), started), 0o600)
}

const temporaryPrefix = "elb-cluster-"

// removeOrphans removes temporary folders of clusters that were killed.
func removeOrphans() {
	found, _ := filepath.Glob(filepath.Join(os.TempDir(), temporaryPrefix+"*"))
	for _, folder := range found {
		// Without the file it may be one that is just being made.
		if exists(pidFile(folder)) && ownerOf(folder) == 0 {
			os.RemoveAll(folder)
		}
	}
}

func pidFile(folder string) string { return filepath.Join(folder, "pid") }

// clearFolder removes everything but the logs, the mark that it is ours last.
func clearFolder(folder string) error {
	content, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, entry := range content {
		if path := filepath.Join(folder, entry.Name()); entry.Name() != "logs" && path != pidFile(folder) {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}
	return os.RemoveAll(pidFile(folder))
}

// ownerOf is the process that runs the cluster in a folder, 0 if there is none any more.
func ownerOf(folder string) int {
	content, err := os.ReadFile(pidFile(folder))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(content))
	if len(fields) != 2 {
		return 0
	}
	process, err := strconv.Atoi(fields[0])
	if err != nil {
		return 0
	}
	// The number may be someone else's by now.
	if started, err := startTime(process); err != nil || started != fields[1] {
		return 0
	}
	return process
}

// startTime of a process, in clock ticks since boot.
func startTime(process int) (string, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process))
	if err != nil {
		return "", err
	}
	// The name, in parentheses, may have blanks in it; the time is field 22, the 20th after the name.
	_, rest, found := strings.Cut(string(content), ") ")
	if fields := strings.Fields(rest); found && len(fields) > 19 {
		if fields[0] == "Z" {
			return "", fmt.Errorf("process %d has ended", process)
		}
		return fields[19], nil
	}
	return "", fmt.Errorf("/proc/%d/stat has another form than expected", process)
}

// stop ends the cluster in a folder and waits until it has ended.
func stop(arguments []string) error {
	if len(arguments) != 1 {
		return errUsage
	}
	const patience = 60 * time.Second
	owner := ownerOf(arguments[0])
	if owner == 0 {
		return fmt.Errorf("no cluster runs in %s", arguments[0])
	}
	if err := syscall.Kill(owner, syscall.SIGTERM); err != nil {
		return fmt.Errorf("process %d: %w", owner, err)
	}
	for deadline := time.Now().Add(patience); ownerOf(arguments[0]) == owner; {
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d did not end within %s", owner, patience)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil
}
