package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// process is a program of the cluster, its output in a log file of its own.
type process struct {
	name  string
	log   string
	child *exec.Cmd
	// Closed when it has ended; ended says how.
	done  chan struct{}
	ended error
}

// startProcess starts a program that cannot outlive this process. Only for the main goroutine.
func startProcess(name, logs string, command *exec.Cmd) (*process, error) {
	path := filepath.Join(logs, name+".log")
	log, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	if command.Stdout == nil {
		command.Stdout = log
	}
	command.Stderr = log
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Pdeathsig = syscall.SIGKILL
	// Ctrl-C is for us alone: we say in which order what ends.
	command.SysProcAttr.Setpgid = true
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("%s cannot be started: %w", name, err)
	}
	started := &process{name: name, log: path, child: command, done: make(chan struct{})}
	go func() {
		started.ended = command.Wait()
		close(started.done)
	}()
	return started, nil
}

// kill ends it at once: nothing of its state is kept, so there is nothing to put in order.
func (p *process) kill() {
	p.child.Process.Kill()
	<-p.done
}

// failure says that it ended though nobody asked it to, with the end of its log.
func (p *process) failure() error {
	how := "by itself"
	if p.ended != nil {
		how = p.ended.Error()
	}
	return fmt.Errorf("%s ended (%s); the end of %s:\n%s", p.name, how, p.log, tail(p.log))
}

// tail is the last lines of a file, as many as tell what went wrong.
func tail(path string) string {
	const lines, bytesRead = 15, 16 << 10
	file, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	if size, err := file.Seek(0, 2); err == nil && size > bytesRead {
		file.Seek(-bytesRead, 2)
	} else {
		file.Seek(0, 0)
	}
	var text bytes.Buffer
	if _, err := text.ReadFrom(file); err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(text.String()), "\n")
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	return "    " + strings.Join(all, "\n    ")
}

// await asks until the answer is nil, and gives up at the deadline or if one of the processes ends.
func await(what string, deadline time.Time, processes []*process, ask func() error) error {
	for {
		last := ask()
		if last == nil {
			return nil
		}
		for _, p := range processes {
			select {
			case <-p.done:
				return p.failure()
			default:
			}
		}
		if interrupted() {
			return errInterrupted
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s took too long; at last: %w", what, last)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
