// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

func (t *tool) assertion() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "assertion rotate [--revoke]",
		Short: t.lang.Say("Rotates the keys of X-Alipay-Trade-Assertion", "轮换 X-Alipay-Trade-Assertion 的密钥"),
		Long:  t.lang.Say("Rotates the keys of X-Alipay-Trade-Assertion.\n", "轮换 X-Alipay-Trade-Assertion 的密钥。\n"),
	}
	rotate := &cobra.Command{
		Use:   "rotate [--revoke]",
		Short: t.lang.Say("Puts the next key in use now", "立即启用下一把密钥"),
		Long: t.lang.Say(`Puts the next key in use now, as the server does by itself every assertion_rotate. It is
in the list (JWKS) already, and the former one stays there for a day: no shop notices.

With --revoke new keys take the place of all that there are, at once: for when somebody
else may have them. A shop that keeps the list has to fetch it again; what it refuses
until then it is told again.
`, `立即启用下一把密钥（服务器平时按 assertion_rotate 自动轮换）。它早已在公钥列表（JWKS）里，旧密钥再保留
一天，商店不受影响。

使用 --revoke 时，新密钥立即取代全部现有密钥，用于密钥可能已泄露的情况。缓存了公钥列表的商店须重新获取；
此前被商店拒绝的通知会再次送达。
`) + "\n" + t.exitCodes(),
		Example: "  caddy alipay assertion rotate\n  caddy alipay assertion rotate --revoke --yes",
		Args:    cobra.NoArgs,
		RunE:    t.run((*job).rotateAssertion),
	}
	t.serverFlags(rotate)
	t.yesFlag(rotate)
	rotate.Flags().Bool("revoke", false, t.lang.Say("Also take the present keys out of the list", "同时从列表中移除现有密钥"))
	cmd.AddCommand(rotate)
	return cmd
}

func (j *job) rotateAssertion() error {
	query := url.Values{}
	if j.is("revoke") {
		if err := j.confirm("All present keys lose their validity. Go on?", "现有密钥将全部失效。继续吗？"); err != nil {
			return err
		}
		query.Set("revoke", "true")
	}
	s, err := j.server()
	if err != nil {
		return err
	}
	var now struct {
		KeyID string `json:"kid"`
	}
	if _, err := s.call(http.MethodPost, []string{"assertion", "rotate"}, query, nil, &now); err != nil {
		return err
	}
	if !j.people() {
		return j.printJSON(now)
	}
	j.printf("Key %s signs now.\n", "现由密钥 %s 签名。\n", now.KeyID)
	return nil
}
