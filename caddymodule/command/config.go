// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/json"
	"os"
	"sync"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// configFlags are those by which Caddy's own commands find a configuration.
func (t *tool) configFlags(cmd *cobra.Command) {
	cmd.Flags().StringP("config", "c", "", t.lang.Say("Configuration file (default: Caddyfile in the working folder)", "配置文件（默认为当前目录中的 Caddyfile）"))
	cmd.Flags().StringP("adapter", "a", "", t.lang.Say("Name of the config adapter", "配置适配器名称"))
}

// serverFlags are those by which a running server is found, and asked.
func (t *tool) serverFlags(cmd *cobra.Command) {
	t.configFlags(cmd)
	cmd.Flags().String("address", "", t.lang.Say("Address of Caddy's admin endpoint, if not that of the configuration", "Caddy 管理端点的地址（默认取自配置）"))
	cmd.Flags().String("account", "", t.lang.Say("Name of the account at Alipay (default: the only one, or default)", "支付宝账户名称（默认为唯一的账户或 default）"))
}

// quiet keeps Caddy's own log lines, which are for servers, out of a person's
// terminal; a change of the output alone would be logged. What goes wrong is said
// by the command.
var quiet = sync.OnceValue(func() error {
	off := false
	_, err := caddy.ProvisionContext(&caddy.Config{
		Admin: &caddy.AdminConfig{Disabled: true, Config: &caddy.ConfigSettings{Persist: &off}},
		Logging: &caddy.Logging{Logs: map[string]*caddy.CustomLog{
			"default": {BaseLog: caddy.BaseLog{WriterRaw: json.RawMessage(`{"output":"stderr"}`), Level: "FATAL"}},
		}},
	})
	return err
})

// config is the configuration that the flags name, in JSON, and its file; nil if
// there is none.
func (j *job) config() (data []byte, file string, err error) {
	if err := quiet(); err != nil {
		return nil, "", err
	}
	data, file, _, err = caddycmd.LoadConfig(j.flag("config"), j.flag("adapter"))
	return data, file, err
}

// adminAddress is where a running server is asked: the flag's, or the
// configuration's, or Caddy's default.
func (j *job) adminAddress() (string, error) {
	if address := j.flag("address"); address != "" {
		return address, nil
	}
	data, _, err := j.config()
	if err != nil {
		return "", err
	}
	var c struct {
		Admin caddy.AdminConfig `json:"admin"`
	}
	if len(data) > 0 {
		if err := json.Unmarshal(data, &c); err != nil {
			return "", err
		}
	}
	if c.Admin.Disabled {
		return "", j.fail(exitUnavailable, "the admin endpoint is off in the configuration (admin off), so a running server cannot be asked",
			"配置关闭了管理端点（admin off），无法询问运行中的服务器")
	}
	if c.Admin.Listen != "" {
		return c.Admin.Listen, nil
	}
	if env := os.Getenv("CADDY_ADMIN"); env != "" {
		return env, nil
	}
	return caddy.DefaultAdminListen, nil
}
