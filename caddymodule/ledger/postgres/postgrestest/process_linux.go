// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgrestest

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// owner is the user that servers run as: PostgreSQL refuses root.
func owner() (uid, gid int, err error) {
	if os.Getuid() != 0 {
		return os.Getuid(), os.Getgid(), nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return 0, 0, err
	}
	if uid, err = strconv.Atoi(u.Uid); err != nil {
		return 0, 0, err
	}
	gid, err = strconv.Atoi(u.Gid)
	return uid, gid, err
}

// unprivileged has a process run as owner, and end with this one.
func unprivileged() (*syscall.SysProcAttr, error) {
	uid, gid, err := owner()
	if err != nil {
		return nil, err
	}
	a := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Getuid() == 0 {
		a.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	return a, nil
}

func (s *Server) chown(path string) error {
	uid, gid, err := owner()
	if err != nil {
		return err
	}
	return os.Chown(path, uid, gid)
}

// startBound starts a process that ends with this one: Linux looks at the thread
// that has started it, which therefore waits for it.
func startBound(cmd *exec.Cmd, ended chan<- struct{}) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // a server that a test kills has no other end
			close(ended)
		}
	}()
	return <-started
}

// descendants are the processes below one.
func descendants(pid int) (list []int) {
	tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	for _, path := range tasks {
		b, _ := os.ReadFile(path)
		for f := range strings.FieldsSeq(string(b)) {
			if child, err := strconv.Atoi(f); err == nil {
				list = append(append(list, child), descendants(child)...)
			}
		}
	}
	return list
}

// Limit lets no file of the server grow beyond so many bytes, as a full disk
// would, until the function that it returns is called.
func (s *Server) Limit(t testing.TB, bytes int) (release func()) {
	t.Helper()
	set := func(most string) {
		t.Helper()
		for _, pid := range append(descendants(s.process.Pid), s.process.Pid) {
			// util-linux's program, for the limits are those of another user's process
			cmd := exec.Command("prlimit", "--fsize="+most+":unlimited", "--pid", strconv.Itoa(pid))
			var err error
			if cmd.SysProcAttr, err = unprivileged(); err != nil {
				t.Fatal(err)
			}
			out, err := cmd.CombinedOutput()
			if err != nil && syscall.Kill(pid, 0) == nil { // else it has ended meanwhile
				t.Fatalf("limiting the server's files: %v: %s", err, out)
			}
		}
	}
	set(strconv.Itoa(bytes))
	return func() { set("unlimited") }
}

// CPU is the processor time that the server has taken so far.
func (s *Server) CPU() (used time.Duration) {
	for i, pid := range append([]int{s.process.Pid}, descendants(s.process.Pid)...) {
		b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		_, fields, _ := strings.Cut(string(b), ") ")
		columns := strings.Fields(fields)
		if len(columns) < 15 {
			continue
		}
		counted := columns[11:13] // of the process itself
		if i == 0 {
			counted = columns[11:15] // and of those below it that have ended
		}
		for _, c := range counted {
			ticks, _ := strconv.Atoi(c)
			used += time.Duration(ticks) * time.Second / 100
		}
	}
	return used
}
