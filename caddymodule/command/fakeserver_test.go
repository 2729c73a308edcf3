// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// fakeServer answers at an admin endpoint what a test has written down, so that
// what people see can be compared letter by letter.
type fakeServer struct {
	*httptest.Server
	t *testing.T

	mu      sync.Mutex
	answers map[string]fakeAnswer // "METHOD /path"
	calls   []string              // "METHOD /path?query body"
}

type fakeAnswer struct {
	status int
	body   string
	length string // Content-Length, if it is to lie
}

func newFakeServer(t *testing.T) *fakeServer {
	s := &fakeServer{t: t, answers: map[string]fakeAnswer{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *fakeServer) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	call := r.Method + " " + r.URL.EscapedPath()
	a, known := s.answers[call+"?"+r.URL.RawQuery]
	if !known {
		a, known = s.answers[call]
	}
	if r.URL.RawQuery != "" {
		call += "?" + r.URL.RawQuery
	}
	s.calls = append(s.calls, strings.TrimSpace(call+" "+string(body)))
	s.mu.Unlock()
	if r.Header.Get("Origin") != s.URL {
		http.Error(w, `{"error":"client is not allowed to access from origin"}`, http.StatusForbidden)
		return
	}
	if a.status == -1 { // it ends without an answer
		panic(http.ErrAbortHandler)
	}
	if !known {
		http.Error(w, "404 page not found", http.StatusNotFound)
		return
	}
	if a.length != "" {
		w.Header().Set("Content-Length", a.length)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

func (s *fakeServer) on(call string, status int, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[call] = fakeAnswer{status: status, body: body}
}

// file answers with a file of testdata.
func (s *fakeServer) file(call, name string) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		s.t.Fatal(err)
	}
	s.on(call, http.StatusOK, string(text))
}

// problem answers as the merchant's API refuses.
func (s *fakeServer) problem(call string, status int, slug, detail string) {
	body, err := json.Marshal(map[string]any{
		"type": "https://example.com/errors.md#" + slug, "title": slug, "status": status, "detail": detail,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.on(call, status, string(body))
}

func (s *fakeServer) called() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.calls...)
}

// address is the flag that leads a command here.
func (s *fakeServer) address() string { return "--address=" + strings.TrimPrefix(s.URL, "http://") }
