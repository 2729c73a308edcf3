// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	caddy.RegisterModule(new(visits))
}

// visits is a Caddy app that makes caddy.Stop wait for the requests in flight.
// Caddy itself waits for them only when its whole process exits, and the demo
// closes the shop and the sandbox in between. It is no part of the Caddyfile,
// which shows what a merchant needs.
type visits struct {
	http *caddyhttp.App

	mu     sync.Mutex
	active map[net.Conn]struct{} // with a request that is being served
	ended  chan struct{}         // closed when active is empty, nil before Stop
}

// visitsID names the app in Caddy's configuration.
const visitsID = "demo_visits"

func (*visits) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: visitsID, New: func() caddy.Module { return new(visits) }}
}

func (v *visits) Provision(ctx caddy.Context) error {
	app, err := ctx.App("http")
	if err != nil {
		return err
	}
	http, ok := app.(*caddyhttp.App)
	if !ok {
		return fmt.Errorf("the http app is a %T", app)
	}
	v.http, v.active = http, map[net.Conn]struct{}{}
	for _, server := range http.Servers {
		server.RegisterConnState(v.see)
	}
	return nil
}

func (v *visits) see(conn net.Conn, state http.ConnState) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if state == http.StateActive {
		v.active[conn] = struct{}{}
		return
	}
	delete(v.active, conn)
	if v.ended != nil && len(v.active) == 0 {
		close(v.ended)
		v.ended = nil
	}
}

func (*visits) Start() error { return nil }

// Stop closes the doors, which Caddy may otherwise do later, for it stops its apps
// in any order, and waits until everybody has been served.
func (v *visits) Stop() error {
	if err := v.http.Stop(); err != nil {
		return err
	}
	v.mu.Lock()
	ended := make(chan struct{})
	if len(v.active) == 0 {
		close(ended)
	} else {
		v.ended = ended
	}
	v.mu.Unlock()
	select {
	case <-ended:
		return nil
	case <-time.After(stopTime):
		return fmt.Errorf("requests are still in flight after %v", stopTime)
	}
}

// withVisits adds the app to a configuration.
func withVisits(config []byte) ([]byte, error) {
	var all, apps map[string]json.RawMessage
	if err := json.Unmarshal(config, &all); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(all["apps"], &apps); err != nil {
		return nil, err
	}
	apps[visitsID] = json.RawMessage("{}")
	var err error
	if all["apps"], err = json.Marshal(apps); err != nil {
		return nil, err
	}
	return json.Marshal(all)
}

var (
	_ caddy.App         = (*visits)(nil)
	_ caddy.Provisioner = (*visits)(nil)
)
