// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// TestBacklog starts the program on a ledger that a long outage of the shop has
// left. The backlog drains, each event is told once, and notices that come in
// meanwhile do not wait for it. PROOF_BACKLOG is how many events.
func TestBacklog(t *testing.T) {
	count := int(fewer(number(t, "PROOF_BACKLOG", 5000), 500))
	w := newWorld(t)
	shops := []struct {
		name  string
		takes time.Duration // the shop's own work on one delivery, of which it does 8 at a time
	}{{"at once", 0}, {"8 at a time, 5 ms each", 5 * time.Millisecond}}
	for i, s := range shops {
		w.ledger = boltFile(w.path(fmt.Sprint(i, ".db")))
		prefix := fmt.Sprintf("B%d_", i)
		w.owe(prefix, count)
		d := &drain{world: w, prefix: prefix, count: count}
		w.shop.setWork(s.takes, 8)
		alone := d.alone()
		d.run()
		t.Logf("a shop that takes deliveries %s: %d events told in %s, %.0f per second, %.2f of the %.0f that it takes alone; "+
			"%s of processor time each; %d notices meanwhile, answered in %s (median) and %s (worst)",
			s.name, count, d.took.Round(time.Millisecond), d.rate(), d.rate()/alone, alone, d.busy/time.Duration(count), len(d.live),
			d.live[len(d.live)/2].Round(time.Millisecond), d.live[len(d.live)-1].Round(time.Millisecond))
	}
}

// owe fills a ledger with payments of which the shop has not heard, as a program
// that ended during an outage leaves it.
func (w *world) owe(prefix string, count int) {
	w.t.Helper()
	l := w.ledger.open(w.t)
	at := time.Now().Add(-time.Hour)
	var next atomic.Int64
	var writers sync.WaitGroup
	for range 256 { // so many share a commit
		writers.Go(func() {
			for i := next.Add(1) - 1; i < int64(count); i = next.Add(1) - 1 {
				if err := w.oweOne(l, fmt.Sprint(prefix, i), at); err != nil {
					w.t.Error(err)
					return
				}
			}
		})
	}
	writers.Wait()
	if err := l.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.shop.mu.Lock()
	defer w.shop.mu.Unlock()
	for i := range count {
		w.shop.prices[fmt.Sprint(prefix, i)] = "88.88"
	}
}

func (w *world) oweOne(l ledger.Ledger, no string, at time.Time) error {
	k := trade.Key{AppID: w.gateway.AppID, OutTradeNo: no}
	_, err := l.Attempt(w.t.Context(), k, trade.Attempt{Total: 8888, PublicURL: w.url, Channel: "page", At: at, ExpiresAt: at.Add(time.Hour)})
	if err != nil {
		return err
	}
	_, err = l.Record(w.t.Context(), trade.Evidence{
		Source: trade.SourceNotify, AppID: k.AppID, OutTradeNo: no, TradeNo: "2026112622001499160" + no, Status: trade.StatusSuccess,
		Total: 8888, BuyerID: "2088722003899169", PaidAt: at, ReceivedAt: at, NotifyID: "N" + no,
		Raw: notice1K(no), ContentType: "application/x-www-form-urlencoded; charset=utf-8",
	})
	return err
}

// notice1K stands for a notice of Alipay's usual length.
func notice1K(no string) []byte {
	return fmt.Appendf(nil, "out_trade_no=%s&trade_status=TRADE_SUCCESS&fund_bill_list=%s", no, bytes.Repeat([]byte("x"), 1000))
}

// drain is one run of the program over what is owed.
type drain struct {
	*world
	prefix string
	count  int
	took   time.Duration
	busy   time.Duration   // the program's processor time
	live   []time.Duration // how long notices took meanwhile
}

func (d *drain) rate() float64 { return float64(d.count) / d.took.Seconds() }

// alone is how many such deliveries per second the shop takes from a client that
// does nothing else, as many at once as the courier makes.
func (d *drain) alone() float64 {
	d.t.Helper()
	const atOnce = 16
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: atOnce}}
	defer client.CloseIdleConnections()
	var next atomic.Int64
	var senders sync.WaitGroup
	began := time.Now()
	for range atOnce {
		senders.Go(func() {
			for i := next.Add(1); i <= int64(d.count); i = next.Add(1) {
				resp, err := client.Post(d.shop.URL+"/alone", "application/x-www-form-urlencoded", bytes.NewReader(notice1K("B")))
				if err != nil {
					d.t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	}
	senders.Wait()
	return float64(d.count) / time.Since(began).Seconds()
}

// run drains, and has buyers pay meanwhile, one after the other.
func (d *drain) run() {
	d.t.Helper()
	before := d.shop.accepted()
	d.start(program)
	began := time.Now()
	var sold int
	for d.shop.accepted()-before-sold < d.count {
		no := fmt.Sprintf("L%s%d", d.prefix, sold)
		d.shop.offer(no, "88.88")
		status, cashier, err := d.get(d.url + "/pay?out_trade_no=" + no)
		if err != nil || status != http.StatusSeeOther {
			d.t.Fatalf("/pay was answered %d, %v", status, err)
		}
		d.gateway.Open(cashier)
		pays := time.Now()
		if err := d.gateway.Pay(no, 1); err != nil {
			d.t.Fatal(err)
		}
		d.gateway.Wait()
		d.live = append(d.live, time.Since(pays))
		if sold++; d.shop.of(no).accepted != 1 {
			d.t.Fatalf("%s: the notice did not reach the shop while the backlog drains", no)
		}
		if time.Since(began) > 10*time.Minute {
			d.t.Fatalf("%d of %d events are told", d.shop.accepted()-before-sold, d.count)
		}
	}
	d.took = time.Since(began)
	if n := d.notices.failures; n > 0 {
		d.t.Errorf("%d notices were not acknowledged at once", n)
	}
	for i := range d.count {
		if h := d.shop.of(fmt.Sprint(d.prefix, i)); h.accepted != 1 || h.tellings != 1 {
			d.t.Errorf("%s%d: told %d times, accepted %d", d.prefix, i, h.tellings, h.accepted)
		}
	}
	slices.Sort(d.live)
	d.kill()
	d.busy = d.running.ProcessState.UserTime() + d.running.ProcessState.SystemTime()
}
