// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package postgrestest

import (
	"os/exec"
	"syscall"
	"testing"
	"time"
)

func unprivileged() (*syscall.SysProcAttr, error) { return nil, nil }

func (s *Server) chown(string) error { return nil }

func startBound(cmd *exec.Cmd, ended chan<- struct{}) error {
	err := cmd.Start()
	if err == nil {
		go func() {
			_ = cmd.Wait() // a server that a test kills has no other end
			close(ended)
		}()
	}
	return err
}

// descendants: elsewhere the server's processes see for themselves that their
// postmaster is gone.
func descendants(int) []int { return nil }

// Limit needs Linux.
func (s *Server) Limit(t testing.TB, _ int) (release func()) {
	t.Helper()
	t.Skip("the files of another process can be limited on Linux only")
	return nil
}

// CPU is told on Linux only.
func (s *Server) CPU() time.Duration { return 0 }
