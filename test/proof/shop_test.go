// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// shop is a shop without any Alipay code, which holds what it is told against
// the promises: one id for each sequence of an order, and no gap.
type shop struct {
	*httptest.Server
	t *testing.T

	mu     sync.Mutex
	prices map[string]string      // what it sells
	heard  map[string]*hearing    // what it was told, by order
	proved map[string]bool        // orders whose buyers came back with TRADE_SUCCESS
	refuse func(d *delivery) bool // if set, says which deliveries are not accepted
	taken  int                    // deliveries that were accepted for the first time

	work time.Duration // how long it works on a delivery
	desk chan struct{} // how many deliveries it works on at a time; nil: as many as come
}

// hearing is what a shop was told of one order.
type hearing struct {
	ids      []string // of the events, by sequence - 1
	types    []string
	amount   string
	paidAt   string
	accepted int // the greatest sequence that it has accepted
	tellings int
}

type delivery struct {
	no, id, event string
	sequence      int
	first         bool // this event has not been told before
}

func newShop(t *testing.T) *shop {
	s := &shop{t: t, prices: map[string]string{}, heard: map[string]*hearing{}, proved: map[string]bool{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *shop) address() string { return strings.TrimPrefix(s.URL, "http://") }

func (s *shop) offer(no, price string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prices[no] = price
}

// orders is how many orders the shop was told of.
func (s *shop) orders() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.heard)
}

// of is what the shop was told of an order, so far.
func (s *shop) of(no string) hearing {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.heard[no]; h != nil {
		return *h
	}
	return hearing{}
}

func (s *shop) hasProof(no string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proved[no]
}

func (s *shop) setRefuse(f func(*delivery) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = f
}

// setWork makes each delivery take some time, and so many at a time.
func (s *shop) setWork(takes time.Duration, atOnce int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.work, s.desk = takes, nil
	if takes > 0 {
		s.desk = make(chan struct{}, atOnce)
	}
}

// toil is the shop's work on a delivery.
func (s *shop) toil() {
	s.mu.Lock()
	work, desk := s.work, s.desk
	s.mu.Unlock()
	if desk != nil {
		desk <- struct{}{}
		time.Sleep(work)
		<-desk
	}
}

// accepted is how many events the shop has accepted.
func (s *shop) accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	if r.Method == http.MethodPost {
		s.toil()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	no, asked := strings.CutPrefix(r.URL.Path, "/alipay/orders/")
	switch {
	case asked && s.prices[no] == "":
		http.Error(w, "no such order here", http.StatusNotFound)
	case asked:
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"out_trade_no":%q,"total_amount":%q,"subject":"茶叶 tea"}`, no, s.prices[no])
	case r.Method == http.MethodPost && r.URL.Path == "/pay/notify":
		if !s.told(r.Header) {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "success")
	default:
		if r.Header.Get("X-Alipay-Trade-Status") == "TRADE_SUCCESS" {
			s.proved[r.Header.Get("X-Alipay-Trade-Out-Trade-No")] = true
		}
		_, _ = io.WriteString(w, "thank you")
	}
}

// told takes a delivery and reports whether the shop accepts it. The lock is held.
func (s *shop) told(header http.Header) bool {
	get := func(name string) string { return header.Get("X-Alipay-Trade-" + name) }
	sequence, err := strconv.Atoi(get("Sequence"))
	d := &delivery{no: get("Out-Trade-No"), id: get("Event-Id"), event: get("Event"), sequence: sequence}
	if err != nil || sequence < 1 || d.id == "" || d.event == "" {
		s.t.Errorf("the shop was told %v", header)
		return true
	}
	h := s.heard[d.no]
	if h == nil {
		h = &hearing{}
		s.heard[d.no] = h
	}
	h.tellings++
	switch {
	case sequence > len(h.ids)+1:
		s.t.Errorf("%s: event %d was told after %d events", d.no, sequence, len(h.ids))
		return true
	case sequence == len(h.ids)+1:
		d.first = true
		h.ids, h.types = append(h.ids, d.id), append(h.types, d.event)
	case h.ids[sequence-1] != d.id || h.types[sequence-1] != d.event:
		s.t.Errorf("%s: event %d was told as %s %s, and as %s %s", d.no, sequence, h.types[sequence-1], h.ids[sequence-1], d.event, d.id)
	}
	if h.amount = get("Total-Amount"); h.amount != s.prices[d.no] {
		s.t.Errorf("%s was sold for %s and told as paid with %s", d.no, s.prices[d.no], h.amount)
	}
	h.paidAt = get("Paid-At")
	if s.refuse != nil && s.refuse(d) {
		return false
	}
	if sequence > h.accepted {
		h.accepted = sequence
		s.taken++
	}
	return true
}
