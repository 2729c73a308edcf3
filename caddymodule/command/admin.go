// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
)

const (
	// answerTimeout is how long a running server may think: a refund waits for
	// Alipay, and a batch of deliveries for the shop.
	answerTimeout = time.Minute
	// maxReply bounds an answer that is read as a whole, in bytes.
	maxReply = 32 << 20
)

// server is a running Caddy, asked over its admin endpoint.
type server struct {
	j       *job
	ctx     context.Context
	client  *http.Client
	origin  string
	socket  bool // a Unix socket
	account string
}

// server finds the running server that the flags mean. It is not asked yet.
func (j *job) server() (*server, error) {
	admin, err := j.adminAddress()
	if err != nil {
		return nil, err
	}
	address, err := caddy.ParseNetworkAddress(admin)
	if err != nil || address.PortRangeSize() > 1 {
		return nil, j.fail(exitUsage, "%q is no address of an admin endpoint", "%q 不是管理端点的地址", admin)
	}
	network, target := address.Network, address.JoinHostPort(0)
	origin := "http://" + target
	if address.IsUnixNetwork() {
		target, _, _ = strings.Cut(address.Host, "|") // the socket's mode may follow
		origin = "http://127.0.0.1"
	}
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	return &server{j: j, ctx: j.ctx, origin: origin, socket: address.IsUnixNetwork(), account: j.flag("account"), client: &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, network, target)
			},
			ResponseHeaderTimeout: answerTimeout,
			DisableCompression:    true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// call asks the server, and reads its answer into into. It returns the HTTP status
// of a success; anything else is a failure for people.
func (s *server) call(method string, path []string, query url.Values, body, into any) (int, error) {
	resp, err := s.open(method, path, query, body)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil {
		return 0, s.unreachable(method, err)
	}
	if len(text) > maxReply || json.Unmarshal(text, into) != nil {
		return 0, s.j.fail(exitUnavailable, "the server's answer cannot be read; has it the same version as this command?",
			"无法读取服务器的应答；服务器与此命令的版本是否一致？")
	}
	return resp.StatusCode, nil
}

// open asks the server and returns an answer of 2xx, to be read and closed.
func (s *server) open(method string, path []string, query url.Values, body any) (*http.Response, error) {
	segments := []string{s.origin, "alipay"}
	for _, segment := range path {
		segments = append(segments, url.PathEscape(segment))
	}
	address := strings.Join(segments, "/")
	if s.account != "" {
		if query == nil {
			query = make(url.Values)
		}
		query.Set("account", s.account)
	}
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(s.ctx, method, address, content)
	if err != nil {
		return nil, err
	}
	if !s.socket { // Caddy's guard against browsers, none of which can speak to a socket
		req.Header.Set("Origin", s.origin)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, s.unreachable(method, err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return nil, s.refused(resp.StatusCode, text)
}

// unreachable makes a failure of a call that brought no answer. If it was to change
// something and the server was reached, it may have done so.
func (s *server) unreachable(method string, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	dial, isNet := errors.AsType[*net.OpError](err)
	if method != http.MethodGet && !(isNet && dial.Op == "dial") {
		return s.j.fail(exitUnknown, "the server gave no answer, so it is not known whether it was done: %v (repeat the very same command)",
			"服务器没有应答，无法得知是否已执行：%v（请原样重复该命令）", err)
	}
	return s.j.fail(exitUnavailable, "no running server can be asked at %s: %v (start it, or name its admin endpoint: --address)",
		"无法询问 %s 处的服务器：%v（请启动服务器，或用 --address 指定管理端点）", strings.TrimPrefix(s.origin, "http://"), err)
}

// problem is an error as the server tells it: RFC 9457, or Caddy's own form.
type problem struct {
	Type    string `json:"type"`
	Title   string `json:"title"`
	Status  int    `json:"status"`
	Detail  string `json:"detail"`
	SubCode string `json:"sub_code"`
	Error   string `json:"error"` // Caddy's own
}

// slug is the stable last part of a problem's type.
func (p *problem) slug() string { return p.Type[strings.LastIndexByte(p.Type, '#')+1:] }

// refused makes a failure of an answer that is no success.
func (s *server) refused(status int, text []byte) error {
	var p problem
	if json.Unmarshal(text, &p) != nil || p.Type == "" {
		if status == http.StatusNotFound {
			return s.j.fail(exitUnavailable, "the running server does not know this call: has it this module, in the same version, and an account configured?",
				"运行中的服务器不支持此操作：它是否包含同一版本的本模块，并配置了账户？")
		}
		if status == http.StatusConflict {
			return s.j.fail(exitRefused, "the assertion's keys are configured; put a new assertion_key before the others",
				"断言的密钥由配置指定；请把新的 assertion_key 放在最前面")
		}
		if status == http.StatusNotImplemented {
			return s.j.fail(exitRefused, "this ledger is kept in a database; copy it with the database's own means, such as pg_dump",
				"该账本保存在数据库中，请使用数据库自身的工具备份，如 pg_dump")
		}
		return s.j.fail(exitUnavailable, "the running server answered %d: %s", "运行中的服务器返回 %d：%s", status, p.Error)
	}
	code := exitRefused
	switch {
	case status == http.StatusNotFound && p.slug() != "not-found":
		code = exitNotFound
	case status == http.StatusNotFound, status >= 500:
		code = exitUnavailable
	}
	said := s.j.problemText(&p)
	if p.SubCode != "" && !strings.Contains(said, p.SubCode) {
		said += fmt.Sprintf(" (%s)", p.SubCode)
	}
	return &failure{code, said}
}
