// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// TestGenerator: every request is sent once, as a server reads it, and a wrong
// answer counts as a failure.
func TestGenerator(t *testing.T) {
	var mu sync.Mutex
	got := make(map[string]int)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		got[string(body)]++
		switch string(body) {
		case "a=7":
			http.Error(w, "failure", http.StatusServiceUnavailable)
		case "a=8":
			w.Header().Set("Connection", "close") // the next request needs a new connection
			fallthrough
		default:
			_, _ = io.WriteString(w, "success")
		}
	}))
	defer srv.Close()
	g := generator{notices: []string{"a=0", "a=1", "a=2", "a=3", "a=4", "a=5", "a=6", "a=7", "a=8", "a=9"}}
	spec := loadSpec{Address: strings.TrimPrefix(srv.URL, "http://"), Kind: "notify", From: 2, Count: 5, Senders: 3}
	r, err := g.run(spec)
	if err != nil || r.Failures != 0 || len(r.Micros) != 5 {
		t.Fatalf("%+v, %v", r, err)
	}
	spec.From, spec.Count, spec.Senders = 7, 3, 1
	if r, err = g.run(spec); err != nil || r.Failures < 1 || !strings.Contains(r.Failure, `503 "failure`) {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, body := range g.notices[2:9] {
		if got[body] != 1 {
			t.Errorf("%s was sent %d times", body, got[body])
		}
	}
	if _, err := g.run(loadSpec{Kind: "notify", From: 9, Count: 2, Senders: 1}); err == nil {
		t.Error("a notice that is not prepared was sent")
	}
}

// TestChoose holds -only.
func TestChoose(t *testing.T) {
	if all, err := choose(""); err != nil || len(all) != len(scenarios) {
		t.Errorf("%d scenarios, %v", len(all), err)
	}
	if two, err := choose("pay,notify"); err != nil || len(two) != 2 {
		t.Errorf("%d scenarios, %v", len(two), err)
	}
	if _, err := choose("pay,nothing"); err == nil || !strings.Contains(err.Error(), `"nothing"`) {
		t.Errorf("an unknown scenario: %v", err)
	}
}
