// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/postgres"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger/postgres/postgrestest"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
	"github.com/caddy-alipay/caddy-alipay/internal/loopback"
)

// fleet is several Caddys in processes of their own, with one database and one
// shop.
type fleet struct {
	*world
	server  *postgrestest.Server
	members []*member
}

type member struct {
	address string // http://host:port
	file    string

	mu      sync.Mutex
	program *program
	kills   int
}

// newFleet starts n Caddys.
func newFleet(t *testing.T, n int) *fleet {
	t.Helper()
	f := &fleet{server: postgrestest.Start(t)}
	f.world = newWorld(t, "", func(w *world) {
		w.ledgerKind, w.database = "postgres", f.server.DSN("postgres")
		w.site = "shop_timeout 1s"
	})
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		m := &member{address: "http://" + loopback.Address(t), file: f.path(fmt.Sprint("Caddyfile", i))}
		f.world.address = m.address
		if err := os.WriteFile(m.file, []byte(f.caddyfile()), 0o600); err != nil {
			t.Fatal(err)
		}
		f.members = append(f.members, m)
		f.launch(m)
		t.Cleanup(m.kill)
	}
	for _, m := range f.members {
		until(t, "Caddy listens", func() bool {
			resp, err := http.Get(m.address + "/")
			if err == nil {
				resp.Body.Close()
			}
			return err == nil
		})
	}
	return f
}

func (f *fleet) launch(m *member) {
	p := f.command("run", "--config", m.file, "--adapter", "caddyfile")
	m.mu.Lock()
	defer m.mu.Unlock()
	m.program = p
	if err := p.Start(); err != nil {
		f.t.Error(err)
		return
	}
	go func() { p.ended <- p.Wait() }()
}

func (m *member) kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.program.Process != nil && m.program.Process.Kill() == nil {
		<-m.program.ended
	}
}

// ask makes a request to a Caddy at random; false if it was not answered.
func (f *fleet) ask(rng *rand.Rand, method, path, body string) (answer, bool) {
	m := f.members[rng.IntN(len(f.members))]
	r, err := http.NewRequest(method, m.address+path, strings.NewReader(body))
	if err != nil {
		f.t.Error(err)
		return answer{}, false
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	resp, err := f.client.Do(r)
	if err != nil {
		return answer{}, false
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(text)}, err == nil
}

// told is what the shop has seen of the orders' events.
type told struct {
	mu         sync.Mutex
	underWay   map[string]bool     // by order
	ids        map[string]string   // event's id by order and sequence
	sequences  map[string][]string // by order, as they came
	redelivery int
	faults     []string
}

// deliver takes a delivery, and a while.
func (s *told) deliver(w http.ResponseWriter, r *received) {
	order, sequence, id := r.Header.Get("X-Alipay-Trade-Out-Trade-No"), r.Header.Get("X-Alipay-Trade-Sequence"), r.Header.Get("X-Alipay-Trade-Event-Id")
	s.mu.Lock()
	if s.underWay[order] {
		s.faults = append(s.faults, order+" is told of two events at once")
	}
	s.underWay[order] = true
	known := s.ids[order+" "+sequence]
	if known != "" {
		s.redelivery++
		if known != id {
			s.faults = append(s.faults, fmt.Sprintf("event %s of %s has the ids %s and %s", sequence, order, known, id))
		}
	}
	s.ids[order+" "+sequence] = id
	// A Caddy that is killed may lose what it has just noted as accepted: then an
	// event comes again, and those after it once more behind it. None is passed over,
	// and none that comes late is new.
	list, last := s.sequences[order], 0
	if len(list) > 0 {
		last = must(strconv.Atoi(list[len(list)-1]))
	}
	if n := must(strconv.Atoi(sequence)); n > last+1 || n <= last && known == "" {
		s.faults = append(s.faults, fmt.Sprintf("event %s of %s comes after %v", sequence, order, list))
	}
	s.sequences[order] = append(s.sequences[order], sequence)
	s.mu.Unlock()
	time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond) // the shop works
	s.mu.Lock()
	s.underWay[order] = false
	s.mu.Unlock()
	_, _ = io.WriteString(w, "success")
}

// TestFleet has three Caddys share a database and a shop. They are killed at
// random, as are the database's backends, while buyers buy and Alipay sends each
// notice to any of them until it is answered. Nothing that was answered with
// success is lost; the shop is told of each event, of an order's events one after
// the other, and of one again only with the same id. FLEET is how long it buys
// (default 5s).
func TestFleet(t *testing.T) {
	lasts := 5 * time.Second
	if text := os.Getenv("FLEET"); text != "" {
		lasts = must(time.ParseDuration(text))
	}
	f := newFleet(t, 3)
	shop := &told{underWay: map[string]bool{}, ids: map[string]string{}, sequences: map[string][]string{}}
	f.Shop.setDeliver(shop.deliver)
	ends := time.Now().Add(lasts)
	stop := make(chan struct{})
	var chaos, buying sync.WaitGroup
	var cuts int
	chaos.Go(func() { cuts = f.trouble(stop) })
	var orders, repeats atomic.Int64
	for n := range 4 {
		rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), uint64(n)))
		buying.Go(func() {
			for i := 0; time.Now().Before(ends); i++ {
				f.buyAndRefund(rng, fmt.Sprintf("F%d_%d", n, i), &repeats)
				orders.Add(1)
			}
		})
	}
	buying.Wait()
	close(stop)
	chaos.Wait()
	f.audit(shop, int(orders.Load()))
	kills := 0
	for _, m := range f.members {
		kills += m.kills
	}
	t.Logf("%d orders with three events each, %d unanswered or refused notices sent again, %d Caddys killed, %d times backends ended, %d redeliveries",
		orders.Load(), repeats.Load(), kills, cuts, shop.redelivery)
}

// trouble kills until stop.
func (f *fleet) trouble(stop <-chan struct{}) (cuts int) {
	for {
		select {
		case <-stop:
			return cuts
		case <-time.After(time.Duration(300+rand.IntN(400)) * time.Millisecond):
		}
		if rand.IntN(2) == 0 {
			f.server.Exec(f.t, "postgres", `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE application_name = 'caddy-alipay' AND random() < 0.5`)
			cuts++
			continue
		}
		m := f.members[rand.IntN(len(f.members))]
		m.kill()
		m.kills++
		f.launch(m)
	}
}

// buyAndRefund goes one order's way: it is sent to the cashier, paid, and twice
// refunded in part; the second refund's notice may overtake the first one's.
func (f *fleet) buyAndRefund(rng *rand.Rand, number string, repeats *atomic.Int64) {
	f.Shop.offer(number, "88.88")
	f.insist(rng, repeats, func(a answer) bool { return a.Status == http.StatusSeeOther }, http.MethodGet, "/pay?out_trade_no="+number, "")
	success := func(a answer) bool { return a.Status == http.StatusOK && a.Body == "success" }
	notices := []string{
		sign(alipayKey(), f.notice(number, "88.88")).Encode(),
		sign(alipayKey(), f.notice(number, "88.88", "refund_fee", "1.00", "gmt_refund", "2026-03-14 11:00:00.1", "out_biz_no", "R1")).Encode(),
		sign(alipayKey(), f.notice(number, "88.88", "refund_fee", "2.00", "gmt_refund", "2026-03-14 12:00:00.1", "out_biz_no", "R2")).Encode(),
	}
	var sending sync.WaitGroup
	for i, n := range notices {
		seed := rng.Uint64()
		sending.Go(func() {
			f.insist(rand.New(rand.NewPCG(seed, uint64(i))), repeats, success, http.MethodPost, "/pay/notify", n)
		})
		if i < 1 {
			sending.Wait()
		}
	}
	sending.Wait()
}

// insist asks until it is answered as wanted.
func (f *fleet) insist(rng *rand.Rand, repeats *atomic.Int64, wanted func(answer) bool, method, path, body string) {
	var last answer
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		a, ok := f.ask(rng, method, path, body)
		if ok && wanted(a) {
			return
		}
		if ok {
			last = a
		}
		repeats.Add(1)
		time.Sleep(50 * time.Millisecond)
	}
	f.t.Errorf("%s %s is never answered as wanted; the last answer was %d %s", method, path, last.Status, last.Body)
}

// audit holds the ledger against the shop when all is told.
func (f *fleet) audit(shop *told, orders int) {
	f.t.Helper()
	c := must(postgres.ParseConfig(f.server.DSN("postgres")))
	l, err := postgres.Open(context.Background(), c)
	if err != nil {
		f.t.Fatal(err)
	}
	defer l.Close()
	app := f.Gateway.AppID
	until(f.t, "the shop has accepted all", func() bool {
		totals, err := l.Totals(context.Background(), app)
		return err == nil && totals.UndeliveredEvents == 0
	})
	totals := must(l.Totals(context.Background(), app))
	if want := trade.Amount(orders) * 8888; totals.Paid != want || totals.Accepted != want {
		f.t.Errorf("paid %s, accepted %s, want %s", totals.Paid, totals.Accepted, want)
	}
	if totals.Refunded != totals.RefundedTold || totals.HeldItems != 0 {
		f.t.Errorf("totals %+v", totals)
	}
	shop.mu.Lock()
	defer shop.mu.Unlock()
	for _, fault := range shop.faults {
		f.t.Error(fault)
	}
	if len(shop.sequences) != orders {
		f.t.Errorf("the shop was told of %d orders, want %d", len(shop.sequences), orders)
	}
	for number, list := range shop.sequences {
		o := must(l.Order(context.Background(), trade.Key{AppID: app, OutTradeNo: number}))
		if !o.Paid || o.Refunded() != 200 || fmt.Sprint(o.Sequence) != list[len(list)-1] {
			f.t.Errorf("%s: told %v, the ledger has %+v", number, list, o)
		}
	}
}
