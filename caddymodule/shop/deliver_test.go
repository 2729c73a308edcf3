// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"net/http"
	"testing"
)

// TestRefusal is the contract of acceptance (design, "Acceptance").
func TestRefusal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status            int
		contentType, body string
		accepted          bool
	}{
		{200, "", "", true},
		{204, "", "", true},
		{200, "text/html; charset=utf-8", "", true},
		{200, "text/plain", "success", true},
		{200, "text/html", "success", true},
		{200, "text/html; charset=UTF-8", " success\n", true},
		{200, "text/html", "\ufeffsuccess", true}, // PHP in a file with a byte order mark
		{201, "application/json", `{"ok":true}`, true},
		{202, "text/plain", "OK", true},
		{200, "application/xml", "<xml>success</xml>", true},
		{200, "text/plain", "no failure", true},
		{0, "", "", false},
		{200, "text/html", "SUCCESS", false},
		{200, "text/html", "success!", false},
		{200, "text/html", "ok", false},
		{200, "application/xhtml+xml", "<html/>", false},
		{200, "", "<!DOCTYPE html><title>Login</title>", false},
		{200, "", "\n\n <html><body>", false},
		{200, "", "\ufeff<!doctype html><body>", false},
		{200, "text/plain", "<script>location='/login'</script>", false},
		{200, "text/plain", "fail", false},
		{200, "text/plain", " FAILURE ", false},
		{200, "text/plain", "\ufefffail", false},
		{200, "application/json", "Failed: no such order", false},
		{200, "text/html", "fail", false},
		{301, "", "", false},
		{302, "text/plain", "success", false},
		{304, "", "", false},
		{400, "text/plain", "success", false},
		{401, "text/plain", "success", false},
		{404, "text/plain", "success", false},
		{500, "text/plain", "success", false},
		{503, "", "", false},
	} {
		a := &answer{header: http.Header{}, status: c.status, body: []byte(c.body)}
		if c.contentType != "" {
			a.header.Set("Content-Type", c.contentType)
		}
		if reason := refusal(a); (reason == "") != c.accepted {
			t.Errorf("%d %q %q: %q", c.status, c.contentType, c.body, reason)
		}
	}
}
