// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	logged "go.uber.org/zap/zaptest/observer"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/courier"
)

// TestSilenceIsSaid: an operator who has never heard of notices reads, in both
// languages, what has happened, that nothing is lost, and what to look at.
func TestSilenceIsSaid(t *testing.T) {
	t.Parallel()
	core, logs := logged.New(zapcore.DebugLevel)
	o := observer(zap.New(core))
	s := courier.Silence{NotifyURL: "https://shop.example/pay/notify", Since: time.Unix(1_700_000_000, 0), Payments: 3}
	o.Silent(s)
	o.Heard(s)
	lines := logs.All()
	if len(lines) != 2 || lines[0].Level != zapcore.ErrorLevel || lines[1].Level != zapcore.WarnLevel {
		t.Fatalf("logged %v", lines)
	}
	for _, word := range []string{"notify_url", "防火墙", "firewall", "跳转", "redirect", "证书", "certificate", "没有丢单", "None is lost", "refused a notice"} {
		if !strings.Contains(lines[0].Message, word) {
			t.Errorf("the line does not say %q", word)
		}
	}
	for _, line := range lines {
		fields := line.ContextMap()
		if fields["notify_url"] != s.NotifyURL || fields["since"] != s.Since || fields["payments_learnt_by_asking"] != int64(3) {
			t.Errorf("fields %v", fields)
		}
		if strings.ContainsAny(line.Message, `"%{}=`) {
			t.Errorf("the message is no constant phrase: %s", line.Message)
		}
	}
}
