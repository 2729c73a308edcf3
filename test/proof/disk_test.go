// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package proof

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
)

// needs ends a test for which the machine lacks something: in CI as failed.
func needs(t *testing.T, what string, err error) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s: %v", what, err)
	}
	t.Skipf("%s: %v", what, err)
}

// mounted mounts a file system of the test's own.
func mounted(t *testing.T, args ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	out, err := exec.Command("mount", append(args, dir)...).CombinedOutput()
	if err != nil {
		needs(t, "mounting a file system takes root", fmt.Errorf("%w: %s", err, out))
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill leaves no room in a folder's file system, until what it returns is called.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	filler := filepath.Join(dir, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
	}
}

// queue are buyers at the cashier who have not paid yet.
type queue struct {
	*world
	next, paid int
}

// come has more buyers go to the cashier.
func (q *queue) come(n int) {
	q.t.Helper()
	for range n {
		no := fmt.Sprint("Q", q.next)
		q.shop.offer(no, "88.88")
		status, cashier, err := q.get(q.url + "/pay?out_trade_no=" + no)
		if err != nil || status != http.StatusSeeOther {
			q.t.Fatalf("/pay was answered %d, %v", status, err)
		}
		q.gateway.Open(cashier)
		q.next++
	}
}

// pay has the next buyer pay, and returns when the notice was answered.
func (q *queue) pay() {
	q.t.Helper()
	if err := q.gateway.Pay(fmt.Sprint("Q", q.paid), 1); err != nil {
		q.t.Fatal(err)
	}
	q.paid++
	q.gateway.Wait()
}

// payUntilRefused has buyers pay until some notices were answered otherwise than
// success: free pages of the file take a few more.
func (q *queue) payUntilRefused(t *testing.T) {
	t.Helper()
	for had := len(q.notices.acknowledged()); q.paid-had < 5; had = len(q.notices.acknowledged()) {
		if q.paid == q.next {
			t.Fatal("the disk is full, and every notice was answered success")
		}
		q.pay()
	}
}

// wantAll has Alipay send again what was refused, as often as it takes for a while,
// and fails unless all is acknowledged and told.
func (q *queue) wantAll() {
	q.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		q.again()
		q.gateway.Wait()
		if len(q.notices.acknowledged()) == q.paid {
			break
		}
	}
	if n := len(q.notices.acknowledged()); n != q.paid {
		q.t.Errorf("%d notices of %d are acknowledged now that there is room", n, q.paid)
	}
	for i := range q.paid {
		if h := q.shop.of(fmt.Sprint("Q", i)); h.accepted != 1 {
			q.t.Errorf("order %d: the shop has accepted %d events", i, h.accepted)
		}
	}
}

// wantOnDisk kills the program and holds its ledger against what it has
// acknowledged.
func (q *queue) wantOnDisk(a *auditor) {
	q.t.Helper()
	acknowledged := q.notices.acknowledged()
	q.kill()
	a.audit(func(l ledger.Ledger) {
		for _, n := range acknowledged {
			a.wantKept(l, n)
		}
	})
}

// TestFullDisk: a disk without room makes no false success, not even for a
// program that is killed on it and starts again on it, and with room again all
// goes on without a restart.
func TestFullDisk(t *testing.T) {
	q := &queue{world: newWorld(t)}
	disk := mounted(t, "-t", "tmpfs", "-o", "size=2m", "tmpfs")
	q.ledger = boltFile(filepath.Join(disk, "alipay.db"))
	audit := newAuditor(q.world)
	q.start(program)
	q.come(40)
	free := fill(t, disk)
	q.payUntilRefused(t)
	refused := q.paid - len(q.notices.acknowledged())
	if status, _, err := q.get(q.url + "/pay?out_trade_no=Q39"); err != nil || status != http.StatusServiceUnavailable && status != http.StatusSeeOther {
		t.Errorf("/pay on a full disk was answered %d, %v", status, err)
	}
	free()
	q.wantAll()

	free = fill(t, disk)
	q.payUntilRefused(t)
	refused += q.paid - len(q.notices.acknowledged())
	q.wantOnDisk(audit)
	q.start(program)
	q.again()
	q.gateway.Wait()
	q.wantOnDisk(audit)
	q.start(program)
	free()
	q.wantAll()
	q.wantOnDisk(audit)
	t.Logf("%d payments on a disk that was full twice, %d notices refused for want of room, all acknowledged once there was some; killed and started on the full disk, nothing acknowledged was lost", q.paid, refused)
}

// TestReadOnlyDisk: a disk that the kernel has made read-only under the running
// program, as it does after an error, makes no false success, and the next
// program goes on where it may write again.
func TestReadOnlyDisk(t *testing.T) {
	q := &queue{world: newWorld(t)}
	image := q.path("image")
	if out, err := exec.Command("sh", "-ec", "truncate -s 8M "+image+" && mkfs.ext4 -q -F "+image).CombinedOutput(); err != nil {
		needs(t, "an ext4 file system takes e2fsprogs", fmt.Errorf("%w: %s", err, out))
	}
	disk := mounted(t, "-o", "loop,errors=remount-ro", image)
	q.ledger = boltFile(filepath.Join(disk, "alipay.db"))
	audit := newAuditor(q.world)
	q.start(program)
	q.come(20)
	for range 5 {
		q.pay()
	}
	breakDisk(t, disk)
	for range 10 {
		q.pay()
	}
	if n := len(q.notices.acknowledged()); n != 5 {
		t.Errorf("%d notices were acknowledged, 5 of them on a disk that could be written", n)
	}
	for i := 5; i < 15; i++ {
		if h := q.shop.of(fmt.Sprint("Q", i)); h.tellings != 0 {
			t.Errorf("order %d was told, and is on no disk", i)
		}
	}
	q.kill()
	if err := syscall.Unmount(disk, 0); err != nil {
		t.Fatal(err)
	}
	_ = exec.Command("e2fsck", "-fy", image).Run() // it tells by its status that it has mended something
	if out, err := exec.Command("mount", "-o", "loop", image, disk).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	q.start(program)
	q.wantAll()
	q.wantOnDisk(audit)
	t.Logf("10 payments on a disk gone read-only: each notice refused and nothing told; all acknowledged once the disk was mended")
}

// breakDisk has the kernel find an error in a file system of the test's own.
func breakDisk(t *testing.T, dir string) {
	t.Helper()
	out, err := exec.Command("findmnt", "-n", "-o", "SOURCE", dir).Output()
	if err != nil {
		needs(t, "finding the disk's device", err)
	}
	device := strings.TrimPrefix(strings.TrimSpace(string(out)), "/dev/")
	if err := os.WriteFile("/sys/fs/ext4/"+device+"/trigger_fs_error", []byte("1"), 0o600); err != nil {
		needs(t, "making the disk fail", err)
	}
	probe := filepath.Join(dir, "probe")
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if err := os.WriteFile(probe, []byte("x"), 0o600); errors.Is(err, syscall.EROFS) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the disk can still be written: this test has lost its point")
		}
	}
}
