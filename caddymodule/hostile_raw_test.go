// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// talk is what is said on one connection: the bytes that are sent, made of a
// genuine notice and its forgery, and everything that is answered to them, one
// word and body for each response. paid: the order is paid after it.
type talk struct {
	name    string
	say     func(host, genuine, forged string) string
	answers []string
	paid    bool
}

const (
	failure  = "400 failure"
	success  = "200 success"
	unheard  = "400 400 Bad Request" // by net/http, before anything of ours
	nowhere  = "200 "                // Caddy has no such site; it is not the word success
	interim  = "100 "
	tooLarge = "431 431 Request Header Fields Too Large"
)

// TestHostileConnections speaks HTTP as no client library would: lengths that
// lie, smuggled requests, heads and bodies that break the rules.
func TestHostileConnections(t *testing.T) { overEach(t, hostileConnections) }

func hostileConnections(t *testing.T, kind func(*world)) {
	w := newWorld(t, "", kind)
	host := strings.TrimPrefix(w.URL, "http://")
	talks := slices.Concat(lengthTalks(), chunkTalks(), headTalks())
	names := map[string]bool{}
	for i, c := range talks {
		if names[c.name] {
			t.Errorf("%s is there twice", c.name)
		}
		names[c.name] = true
		v := victim{w, fmt.Sprint("RAW", i)}
		w.buy(v.no, "1.00")
		w.Shop.forget()
		genuine := v.values().Encode()
		forged := with(v.values(), "total_amount", "0.01").Encode()
		got := converse(t, host, c.say(host, genuine, forged))
		if !slices.Equal(got, c.answers) {
			t.Errorf("%s: answered %q, want %q", c.name, got, c.answers)
		}
		w.wantAfter(c.name, v, outcome{paid: c.paid})
		for _, d := range w.Shop.deliveries() {
			for _, claim := range d.claims() {
				if strings.Contains(claim, "smuggled") {
					t.Errorf("%s: the shop was told %q", c.name, claim)
				}
			}
		}
	}
	t.Logf("%d hostile connections, each answered as it should be", len(talks))
}

// converse sends bytes, says that no more will come, and reads what is answered.
func converse(t *testing.T, host, message string) (answers []string) {
	t.Helper()
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	go func() { // the server may answer, and stop reading, before all is sent
		_, _ = io.WriteString(conn, message)
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	reader := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(reader, &http.Request{Method: http.MethodPost})
		if err != nil {
			return answers // the connection's end
		}
		body, _ := io.ReadAll(resp.Body) // up to a reset: the server may not have read all that was sent
		answers = append(answers, fmt.Sprintf("%d %s", resp.StatusCode, body))
	}
}

// headed is a request to the notify path with the given header lines.
func headed(host, body string, lines ...string) string {
	return "POST /pay/notify HTTP/1.1\r\nHost: " + host + "\r\nContent-Type: " + formType + "\r\n" +
		strings.Join(append(lines, "", body), "\r\n")
}

// sized is headed with a body's length, more or less some.
func sized(host, body string, more int, lines ...string) string {
	return headed(host, body, append(lines, fmt.Sprint("Content-Length: ", len(body)+more))...)
}

// lengthTalks lie about how long the body is.
func lengthTalks() []talk {
	length := func(value func(n int) string) func(host, genuine, _ string) string {
		return func(host, genuine, _ string) string {
			return headed(host, genuine, "Content-Length: "+value(len(genuine)))
		}
	}
	rows := []talk{
		{"as it should be", func(h, g, _ string) string { return sized(h, g, 0) }, []string{success}, true},
		{"three on one connection", func(h, g, f string) string { return sized(h, f, 0) + sized(h, g, 0) + sized(h, f, 0) }, []string{failure, success, failure}, true},
		{"ten bytes less than there are", func(h, g, _ string) string { return sized(h, g, -10) }, []string{failure, unheard}, false},
		{"ten bytes more than there are", func(h, g, _ string) string { return sized(h, g, 10) }, []string{failure}, false},
		{"a forged one in the tail of a genuine one", func(h, g, f string) string {
			return headed(h, g+sized(h, f, 0), fmt.Sprint("Content-Length: ", len(g)))
		}, []string{success, failure}, true},
		{"a genuine one in the body of a forged one", func(h, g, f string) string {
			inner := sized(h, g, 0)
			return sized(h, f+inner, 0)
		}, []string{failure}, false},
		{"no length", func(h, g, _ string) string { return headed(h, g) }, []string{failure, unheard}, false},
		{"an empty length", length(func(int) string { return "" }), []string{unheard}, false},
		{"a length of nothing", length(func(int) string { return "0" }), []string{failure, unheard}, false},
		{"a length below nothing", length(func(n int) string { return fmt.Sprint(-n) }), []string{unheard}, false},
		{"a length with a plus", length(func(n int) string { return fmt.Sprint("+", n) }), []string{unheard}, false},
		{"a length in hexadecimal", length(func(n int) string { return fmt.Sprintf("0x%x", n) }), []string{unheard}, false},
		{"a length with a point", length(func(n int) string { return fmt.Sprint(n, ".0") }), []string{unheard}, false},
		{"a length of two", length(func(n int) string { return fmt.Sprintf("%d, %d", n, n) }), []string{unheard}, false},
		{"a length beyond all bounds", length(func(int) string { return strings.Repeat("9", 30) }), []string{unheard}, false},
		{"a length of a gigabyte", length(func(int) string { return "1073741824" }), []string{failure}, false},
		{"two lengths, the same", func(h, g, _ string) string { return sized(h, g, 0, fmt.Sprint("Content-Length: ", len(g))) }, []string{success}, true},
		{"two lengths, not the same", func(h, g, _ string) string { return sized(h, g, 0, "Content-Length: 5") }, []string{unheard}, false},
		{"a length and chunks", func(h, g, _ string) string { return sized(h, chunked(g), 0, "Transfer-Encoding: chunked") }, []string{success}, true},
		{"a length that hides a request behind chunks", func(h, g, f string) string {
			return headed(h, chunked(g)+sized(h, f, 0), "Transfer-Encoding: chunked", "Content-Length: 5000")
		}, []string{success, failure}, true},
	}
	return rows
}

// chunked is a body in one chunk.
func chunked(body string) string { return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body) }

// chunkTalks send the body in chunks, or say so.
func chunkTalks() []talk {
	says := func(coding string) func(host, genuine, _ string) string {
		return func(host, genuine, _ string) string {
			return headed(host, chunked(genuine), "Transfer-Encoding: "+coding)
		}
	}
	inChunks := func(body func(genuine string) string) func(host, genuine, _ string) string {
		return func(host, genuine, _ string) string { return headed(host, body(genuine), "Transfer-Encoding: chunked") }
	}
	unknown := []string{"501 Unsupported transfer encoding"}
	return []talk{
		{"in one chunk", says("chunked"), []string{success}, true},
		{"in one chunk, in capitals", says("CHUNKED"), []string{success}, true},
		{"in chunks of one byte", inChunks(func(g string) string {
			var b strings.Builder
			for i := range len(g) {
				fmt.Fprintf(&b, "1\r\n%c\r\n", g[i])
			}
			return b.String() + "0\r\n\r\n"
		}), []string{success}, true},
		{"a coding that is none", says("xchunked"), unknown, false},
		{"zipped chunks", says("gzip, chunked"), unknown, false},
		{"chunks twice", says("chunked, chunked"), unknown, false},
		{"chunks, and another line", func(h, g, _ string) string {
			return headed(h, chunked(g), "Transfer-Encoding: chunked", "Transfer-Encoding: identity")
		}, unknown, false},
		{"the identity", says("identity"), unknown, false},
		{"an empty coding", says(""), unknown, false},
		{"a coding with a control letter", says("chunked\x0b"), []string{unheard}, false},
		{"a chunk below nothing", inChunks(func(g string) string { return "-5\r\n" + g + "\r\n0\r\n\r\n" }), []string{failure}, false},
		{"a chunk that is no number", inChunks(func(g string) string { return "xyz\r\n" + g + "\r\n0\r\n\r\n" }), []string{failure}, false},
		{"a chunk beyond all bounds", inChunks(func(g string) string { return "fffffffffffffffff\r\n" + g + "\r\n0\r\n\r\n" }), []string{failure}, false},
		{"a chunk longer than its bytes", inChunks(func(g string) string { return fmt.Sprintf("%x\r\n%s", len(g)+100, g) }), []string{failure}, false},
		{"a chunk shorter than its bytes", inChunks(func(g string) string { return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(g)-5, g) }), []string{failure}, false},
		{"no last chunk", inChunks(func(g string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(g), g) }), []string{failure}, false},
		{"a chunk with an extension", inChunks(func(g string) string { return fmt.Sprintf("%x;a=b\r\n%s\r\n0\r\n\r\n", len(g), g) }), []string{success}, true},
		{"chunks with 100 KB of extensions", inChunks(func(g string) string {
			var b strings.Builder
			for i := range len(g) {
				fmt.Fprintf(&b, "1;%s\r\n%c\r\n", strings.Repeat("x", 200), g[i])
			}
			return b.String() + "0\r\n\r\n"
		}), []string{failure}, false},
		{"70 KB in chunks", inChunks(func(g string) string { return chunked(g + "&x=" + strings.Repeat("a", 70<<10)) }), []string{failure}, false},
		{"a megabyte in chunks", inChunks(func(g string) string { return chunked(strings.Repeat("a", 1<<20)) }), []string{failure}, false},
		{"a trailer that looks verified", inChunks(func(g string) string {
			return fmt.Sprintf("%x\r\n%s\r\n0\r\nX-Alipay-Trade-Event-Id: smuggled\r\nx_alipay_trade_no: smuggled\r\n\r\n", len(g), g)
		}), []string{success}, true},
		{"a trailer that is announced", func(h, g, _ string) string {
			return headed(h, fmt.Sprintf("%x\r\n%s\r\n0\r\nX-Alipay-Trade-No: smuggled\r\n\r\n", len(g), g),
				"Transfer-Encoding: chunked", "Trailer: X-Alipay-Trade-No")
		}, []string{success}, true},
		{"a trailer of a megabyte", inChunks(func(g string) string {
			return fmt.Sprintf("%x\r\n%s\r\n0\r\nX: %s\r\n\r\n", len(g), g, strings.Repeat("a", 1<<20))
		}), []string{failure, tooLarge}, false},
		{"a request behind the last chunk", func(h, g, f string) string {
			return headed(h, chunked(g), "Transfer-Encoding: chunked") + sized(h, f, 0)
		}, []string{success, failure}, true},
	}
}

// headTalks break the rules of a head.
func headTalks() []talk {
	line := func(lines ...string) func(host, genuine, _ string) string {
		return func(host, genuine, _ string) string { return sized(host, genuine, 0, lines...) }
	}
	instead := func(old, with string) func(host, genuine, _ string) string {
		return func(host, genuine, _ string) string {
			return strings.Replace(sized(host, genuine, 0), old, strings.ReplaceAll(with, "HOST", host), 1)
		}
	}
	return []talk{
		{"headers that look verified", line("X-Alipay-Trade-Event-Id: smuggled", "x_alipay_trade_status: smuggled", "X.Alipay.Trade.No: smuggled"), []string{success}, true},
		{"a header that would hide ours", line("Connection: X-Alipay-Trade-Status, X-Alipay-Trade-Event-Id"), []string{success}, true},
		{"another method in a header", line("X-HTTP-Method-Override: GET", "X-Method-Override: DELETE"), []string{success}, true},
		{"another address in a header", line("X-Original-URL: /shop", "X-Rewrite-URL: /shop", "X-Forwarded-Prefix: /x"), []string{success}, true},
		{"a type, and another first", instead("Content-Type:", "Content-Type: application/json\r\nContent-Type:"), []string{failure}, false},
		{"a type that goes on in the next line", instead("Content-Type: ", "Content-Type: application/json\r\n "), []string{failure}, false},
		{"a type with a space before its colon", instead("Content-Type:", "Content-Type :"), []string{unheard + ": invalid header name"}, false},
		{"a header without a name", line(": smuggled"), []string{unheard}, false},
		{"a header without a colon", line("X-Alipay-Trade-Status"), []string{unheard}, false},
		{"a header with a NUL", line("X-Alipay: a\x00b"), []string{unheard}, false},
		{"a header with a bare CR", line("X-A: b\rX-Alipay-Trade-Event-Id: smuggled"), []string{unheard}, false},
		{"a header with a name in Chinese", line("金额: 1.00"), []string{unheard}, false},
		{"a head of 2 MB", line("X-A: " + strings.Repeat("a", 2<<20)), []string{tooLarge}, false},
		{"10000 headers", line(slices.Repeat([]string{"X-A: b"}, 10000)...), []string{tooLarge}, false},
		{"lines that end in LF", instead("\r\nContent-Type", "\nContent-Type"), []string{success}, true},
		{"an empty line in front", func(h, g, _ string) string { return "\r\n" + sized(h, g, 0) }, []string{unheard}, false},
		{"no host", instead("Host: ", "X-Host: "), []string{unheard + ": missing required Host header"}, false},
		{"two hosts", line("Host: evil.example"), []string{unheard}, false},
		{"a host that is none", instead("Host: ", "Host: a b"), []string{unheard + ": malformed Host header"}, false},
		{"another host", instead("Host: ", "Host: evil.example\r\nX-Host: "), []string{nowhere}, false},
		{"another host in the target", instead("/pay/notify", "http://evil.example/pay/notify"), []string{nowhere}, false},
		{"this host in the target, another in the head", instead("/pay/notify HTTP/1.1\r\nHost: ", "http://HOST/pay/notify HTTP/1.1\r\nHost: evil.example\r\nX-Host: "), []string{success}, true},
		{"a target that is no path", instead("/pay/notify", "pay/notify"), []string{unheard}, false},
		{"a target with a space", instead("/pay/notify", "/pay/ notify"), []string{unheard}, false},
		{"a target with half an escape", instead("/pay/notify", "/pay/notify%4"), []string{unheard}, false},
		{"a target of 64 KB", instead("/pay/notify", "/pay/notify?x="+strings.Repeat("a", 64<<10)), []string{tooLarge}, false},
		{"a method of 40 letters", instead("POST", strings.Repeat("P", 40)), []string{"405 "}, false},
		{"a method that is none", instead("POST", "PO,ST"), []string{unheard}, false},
		{"HTTP/1.0", instead("HTTP/1.1", "HTTP/1.0"), []string{success}, true},
		{"HTTP/1.0 with chunks", func(h, g, _ string) string {
			return strings.Replace(headed(h, chunked(g), "Transfer-Encoding: chunked"), "HTTP/1.1", "HTTP/1.0", 1)
		}, []string{failure}, false},
		{"HTTP/0.9", instead(" HTTP/1.1", ""), []string{unheard}, false},
		{"HTTP/2.0", instead("HTTP/1.1", "HTTP/2.0"), []string{"505 505 HTTP Version Not Supported: unsupported protocol version"}, false},
		{"HTTP/9.9", instead("HTTP/1.1", "HTTP/9.9"), []string{"505 505 HTTP Version Not Supported: unsupported protocol version"}, false},
		{"a wish to go on", line("Expect: 100-continue"), []string{interim, success}, true},
		{"a wish that nobody knows", line("Expect: 200-success"), []string{"417 "}, false},
		{"an upgrade", line("Connection: Upgrade", "Upgrade: websocket"), []string{success}, true},
		{"only half a head", func(h, _, _ string) string { return "POST /pay/notify HTTP/1.1\r\nHost: " + h + "\r\nContent-Le" }, []string{unheard}, false},
		{"another protocol", func(_, _, _ string) string {
			return "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 200)
		}, []string{unheard}, false},
	}
}
