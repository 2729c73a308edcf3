// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package proof

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// maxGrowth is how much anonymous memory a flood may cost the program at its
// worst, in KiB. It is generous: what counts is that it does not grow with the
// flood's length.
const maxGrowth = 64 << 10

// TestFlood sends bogus notices of every kind as fast as a few senders can, while
// buyers pay. The program's memory stays bounded, it keeps nothing of the flood,
// and each real notice is acknowledged.
func TestFlood(t *testing.T) {
	count := fewer(number(t, "PROOF_FLOOD", 20_000), 3000)
	w := newWorld(t)
	w.start(program)
	const genuine = 60
	for i := range genuine { // warm, and the buyers are at the cashier
		no := fmt.Sprint("F", i)
		w.shop.offer(no, "88.88")
		status, cashier, err := w.get(w.url + "/pay?out_trade_no=" + no)
		if err != nil || status != http.StatusSeeOther {
			t.Fatalf("/pay was answered %d, %v", status, err)
		}
		w.gateway.Open(cashier)
	}
	before := w.anonymous()
	file := w.path("alipay.db")
	size := fileSize(t, file)
	stop := make(chan struct{})
	peak := make(chan int)
	go func() { peak <- w.watchMemory(stop) }()
	paid := uint64(0)
	took, wrong := w.flood(count, func(sent uint64) { // the real ones, spread over the flood
		for ; paid < sent*genuine/count; paid++ {
			if err := w.gateway.Pay(fmt.Sprint("F", paid), 1); err != nil {
				t.Error(err)
			}
		}
	})
	until(t, "all real notices are acknowledged", func() bool { return len(w.notices.acknowledged()) == genuine })
	close(stop)
	most := <-peak
	if wrong > 0 {
		t.Errorf("%d bogus notices were answered otherwise than 400 failure", wrong)
	}
	if w.notices.failures > 0 {
		t.Errorf("%d real notices were not acknowledged at once", w.notices.failures)
	}
	if most-before > maxGrowth && !raceDetector { // which keeps books of its own
		t.Errorf("anonymous memory grew from %d to %d KiB", before, most)
	}
	t.Logf("%d bogus notices in %s, %.0f per second: %d real ones acknowledged meanwhile, each the first time; anonymous memory %d MiB before, %d MiB at most; the ledger grew by %d KiB",
		count, took.Round(time.Millisecond), float64(count)/took.Seconds(), genuine, before>>10, most>>10, (fileSize(t, file)-size)>>10)
	w.kill()
}

// flood posts count bogus notices and counts those that are answered otherwise
// than 400 failure. progress is told how many were sent, from one goroutine.
func (w *world) flood(count uint64, progress func(sent uint64)) (took time.Duration, wrong int64) {
	bodies := w.bogus()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	var sent atomic.Uint64
	var bad atomic.Int64
	var senders sync.WaitGroup
	began := time.Now()
	for range 8 {
		senders.Go(func() {
			for n := sent.Add(1); n <= count; n = sent.Add(1) {
				body := bodies[n%uint64(len(bodies))]
				resp, err := client.Post(w.url+"/pay/notify", "application/x-www-form-urlencoded", strings.NewReader(body))
				if err != nil {
					bad.Add(1)
					continue
				}
				answer, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != http.StatusBadRequest || string(answer) != "failure" {
					bad.Add(1)
				}
			}
		})
	}
	for told := uint64(0); told < count; {
		if now := min(sent.Load(), count); now > told {
			told++
			progress(told)
		} else {
			time.Sleep(time.Millisecond)
		}
	}
	senders.Wait()
	return time.Since(began), bad.Load()
}

// bogus are notices as a sender makes them who knows the app, but not Alipay's
// key: most of them have every mark of a notice and cost an RSA operation.
func (w *world) bogus() (bodies []string) {
	stranger := w.gateway.AppKey // whoever it is, it is not Alipay
	form := func(i int) url.Values {
		return url.Values{
			"app_id": {w.gateway.AppID}, "auth_app_id": {w.gateway.AppID}, "charset": {"utf-8"}, "notify_type": {"trade_status_sync"},
			"notify_id": {fmt.Sprint("B", i)}, "out_trade_no": {fmt.Sprint("F", i%60)}, "trade_no": {fmt.Sprint("T", i)},
			"trade_status": {"TRADE_SUCCESS"}, "total_amount": {"88.88"}, "subject": {"茶叶 tea"}, "gmt_payment": {"2026-03-14 10:20:09"},
		}
	}
	for i := range 200 {
		v := form(i)
		text, _ := url.QueryUnescape(v.Encode())
		digest := sha256.Sum256([]byte(text))
		signature, err := rsa.SignPKCS1v15(nil, stranger, crypto.SHA256, digest[:])
		if err != nil {
			w.t.Fatal(err)
		}
		v.Set("sign_type", "RSA2")
		v.Set("sign", base64.StdEncoding.EncodeToString(signature))
		switch i % 10 {
		case 0:
			v.Set("body", strings.Repeat("x", 60<<10))
		case 1:
			v.Set("app_id", "2021000000000002")
		case 2:
			v.Del("sign")
		}
		bodies = append(bodies, v.Encode())
	}
	return append(bodies, "", "&&&", strings.Repeat("a=1&", 16<<10), strings.Repeat("%", 60<<10), strings.Repeat("z", 80<<10))
}

// anonymous is the memory of the program that no file backs, in KiB: the file
// that the ledger maps comes and goes with the page cache.
func (w *world) anonymous() int {
	w.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.running.Process.Pid))
	if err != nil {
		w.t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "RssAnon:" {
			return must(strconv.Atoi(fields[1]))(w.t)
		}
	}
	w.t.Fatal("the kernel tells no RssAnon")
	return 0
}

// watchMemory is the most that anonymous is until stop.
func (w *world) watchMemory(stop <-chan struct{}) int {
	var all []int
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		all = append(all, w.anonymous())
		select {
		case <-tick.C:
		case <-stop:
			return slices.Max(all)
		}
	}
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
