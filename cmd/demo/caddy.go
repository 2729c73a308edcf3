// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"text/template"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	// what the demo's Caddyfile uses
	_ "github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/fileserver"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/rewrite"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/templates"
	_ "github.com/caddyserver/caddy/v2/modules/filestorage"
	_ "github.com/caddyserver/caddy/v2/modules/logging"

	_ "github.com/caddy-alipay/caddy-alipay"
)

//go:embed Caddyfile.tmpl
var caddyfileText string

//go:embed error.html
var errorPage []byte

var caddyfileTemplate = template.Must(template.New("Caddyfile").Parse(caddyfileText))

// setting is what the Caddyfile's template needs to know.
type setting struct {
	Folder                       folder
	AppID, SellerID              string
	Port                         string
	Host                         string // for bind, without brackets
	Public, Shop, SandboxGateway string
	Merchant                     string
}

// Path is a file of the demo's folder, quoted for a Caddyfile. openFolder has
// refused what backquotes could not hold.
func (s setting) Path(name string) string { return "`" + s.Folder.path(name) + "`" }

// File is a placeholder for what a file of the demo's folder holds, quoted alike.
func (s setting) File(name string) string { return "`{file." + s.Folder.path(name) + "}`" }

// writeCaddyfile is the demo's Caddyfile, the real one: it is written to the folder
// for people to read.
func writeCaddyfile(s setting) ([]byte, error) {
	var text bytes.Buffer
	err := caddyfileTemplate.Execute(&text, s)
	return text.Bytes(), err
}

// runCaddy starts Caddy in this process. caddy.Stop ends it.
func runCaddy(s setting) error {
	text, err := writeCaddyfile(s)
	if err != nil {
		return err
	}
	if err := s.Folder.write(caddyFile, text); err != nil {
		return err
	}
	if err := s.Folder.write(errorFile, errorPage); err != nil {
		return err
	}
	config, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt(text, map[string]any{"filename": s.Folder.path(caddyFile)})
	if err != nil {
		return err
	}
	if len(warnings) > 0 {
		return fmt.Errorf("%s: %s", s.Folder.path(caddyFile), warnings[0].String())
	}
	if config, err = withVisits(config); err != nil {
		return err
	}
	caddy.BufferedLog() // what Caddy says before it has read the log's level is not for a newcomer
	return caddy.Load(config, true)
}
