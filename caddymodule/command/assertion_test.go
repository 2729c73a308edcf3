// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestRotateAssertion(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t)
	s.on("POST /alipay/assertion/rotate", http.StatusOK, `{"kid":"K2"}`)
	s.on("POST /alipay/assertion/rotate?revoke=true", http.StatusOK, `{"kid":"K9"}`)
	for _, c := range []struct {
		got  result
		want string
		code int
	}{
		{onTerminal(t, t.TempDir(), "C", "assertion", "rotate", s.address()), "Key K2 signs now.\n", 0},
		{onTerminal(t, t.TempDir(), "zh_CN.UTF-8", "assertion", "rotate", s.address()), "现由密钥 K2 签名。\n", 0},
		{piped(t, t.TempDir(), "C", "assertion", "rotate", s.address()), `{"kid":"K2"}` + "\n", 0},
		{piped(t, t.TempDir(), "C", "assertion", "rotate", "--revoke", "--yes", s.address()), `{"kid":"K9"}` + "\n", 0},
		{piped(t, t.TempDir(), "C", "assertion", "rotate", "--revoke", s.address()), "", exitUsage},
		{typing(t, "n\n", t.TempDir(), "C", "assertion", "rotate", "--revoke", s.address()), "error: nothing was done\n", exitRefused},
		{typing(t, "y\n", t.TempDir(), "C", "assertion", "rotate", "--revoke", s.address()), "Key K9 signs now.\n", 0},
	} {
		if c.got.code != c.code || !strings.HasSuffix(c.got.stdout, c.want) {
			t.Errorf("%+v, want %q", c.got, c.want)
		}
	}
	want := "POST /alipay/assertion/rotate"
	if got := s.posted(); !slices.Equal(got, []string{want, want, want, want + "?revoke=true", want + "?revoke=true"}) {
		t.Errorf("sent %q", got)
	}
	s.on("POST /alipay/assertion/rotate", http.StatusConflict, `{"error":"configured"}`)
	if r := piped(t, t.TempDir(), "C", "assertion", "rotate", s.address()); r.code != exitRefused {
		t.Errorf("configured keys: %+v", r)
	}
}

// TestRotateForReal rotates the keys of a real server.
func TestRotateForReal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.run(0, "assertion", "rotate")
	again := w.run(0, "assertion", "rotate", "--revoke", "--yes")
	if len(first.stdout) < len(`{"kid":""}`)+20 || first.stdout == again.stdout {
		t.Errorf("%s, then %s", first.stdout, again.stdout)
	}
}
