// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
)

// Names of the files, as keys/README.md has them.
const (
	privateKeyFile   = "app_private_key.pem"
	publicKeyFile    = "app_public_key.pem"
	alipayPublicFile = "alipay_public_key.pem"
)

func (t *tool) keygen() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keygen [--dir <folder>] [--bits 2048|3072|4096] [--force]",
		Short: t.lang.Say("Makes the app's key pair and says what to do with it", "生成应用密钥对，并说明如何使用"),
		Long: t.lang.Say(`Makes an RSA key pair for an app at Alipay's open platform: the private key stays
here (PKCS#8, mode 0600), the public key goes to Alipay's console as one line.

A pair that is there already is never replaced, save with --force, and then the old
files are kept beside the new ones under a name that ends in the time.
`, `为支付宝开放平台的应用生成 RSA 密钥对：私钥留在本机（PKCS#8，权限 0600），公钥以单行形式
粘贴到支付宝控制台。

已有的密钥不会被覆盖；使用 --force 时旧文件会改名（以时间结尾）保留在原处。
`) + "\n" + t.exitCodes(),
		Example: "  caddy alipay keygen\n  caddy alipay keygen --dir /etc/caddy/keys --bits 3072\n  caddy alipay keygen --json | jq -r .public_key",
		Args:    cobra.NoArgs,
		RunE:    t.run((*job).makeKeys),
	}
	cmd.Flags().String("dir", "keys", t.lang.Say("The folder of the files; it is made if there is none", "存放文件的目录，不存在时创建"))
	cmd.Flags().Int("bits", 2048, t.lang.Say("The key's size: 2048, 3072 or 4096", "密钥长度：2048、3072 或 4096"))
	cmd.Flags().Bool("force", false, t.lang.Say("Replace a pair that is there already", "替换已有的密钥对"))
	return cmd
}

// keyPair is what keygen prints for programs.
type keyPair struct {
	PrivateKeyFile string `json:"private_key_file"`
	PublicKeyFile  string `json:"public_key_file"`
	PublicKey      string `json:"public_key"` // what Alipay's console wants
	Fingerprint    string `json:"fingerprint"`
	Bits           int    `json:"bits"`
}

func (j *job) makeKeys() error {
	bits, _ := strconv.Atoi(j.flag("bits"))
	if bits != 2048 && bits != 3072 && bits != 4096 {
		return j.fail(exitUsage, "--bits %d: a key has 2048, 3072 or 4096 bits", "--bits %d：密钥长度应为 2048、3072 或 4096", bits)
	}
	dir := j.flag("dir")
	p := keyPair{PrivateKeyFile: filepath.Join(dir, privateKeyFile), PublicKeyFile: filepath.Join(dir, publicKeyFile), Bits: bits}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the folder: %w", err)
	}
	if err := j.makeRoom(p); err != nil {
		return err
	}
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return fmt.Errorf("making the key: %w", err)
	}
	if err := p.write(key); err != nil {
		return err
	}
	if !j.people() {
		return j.printJSON(p)
	}
	j.explainKeys(p)
	return nil
}

// makeRoom refuses to replace keys or, if that is wanted, moves them aside.
func (j *job) makeRoom(p keyPair) error {
	for _, file := range []string{p.PrivateKeyFile, p.PublicKeyFile} {
		_, err := os.Lstat(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if !j.is("force") {
			return j.fail(exitRefused, "%s exists already and was not touched; use another --dir, or --force to replace it",
				"%s 已存在，未作改动；请使用其他 --dir，或使用 --force 替换", file)
		}
		aside := file + "." + j.now().UTC().Format("20060102T150405.000000000Z")
		if err := os.Rename(file, aside); err != nil {
			return err
		}
		if j.people() {
			j.printf("The old key is kept as %s\n", "旧密钥已保留为 %s\n", aside)
		}
	}
	return nil
}

// write writes the pair, the private key first. O_EXCL keeps what somebody else
// has put there meanwhile.
func (p *keyPair) write(key *rsa.PrivateKey) error {
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	p.PublicKey = base64.StdEncoding.EncodeToString(public)
	p.Fingerprint = gateway.Fingerprint(&key.PublicKey)
	if err := writePEM(p.PrivateKeyFile, "PRIVATE KEY", private, 0o600); err != nil {
		return err
	}
	return writePEM(p.PublicKeyFile, "PUBLIC KEY", public, 0o644)
}

func writePEM(file, label string, der []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	// the mode that the umask has left may be too strict for the public key
	err = errors.Join(f.Chmod(mode), pem.Encode(f, &pem.Block{Type: label, Bytes: der}), f.Sync(), f.Close())
	if err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	return nil
}

func (j *job) explainKeys(p keyPair) {
	j.printf(`Made the app's key pair, RSA with %d bits:
  %s  the private key: never give it to anybody
  %s  the public key

1. In Alipay's console (open.alipay.com, the app, 开发设置, 接口加签方式, 公钥) paste this one line
   as the app's public key (应用公钥):

%s

2. The console then shows Alipay's own public key (支付宝公钥). Save that one, not the line above,
   as %s

3. In the Caddyfile:

{
	alipay {
		app_id %s
		app_private_key %s
		alipay_public_key %s
	}
}

4. Check all of it: caddy alipay doctor
`, `已生成应用密钥对，RSA %d 位：
  %s  私钥：不要交给任何人
  %s  公钥

1. 在支付宝控制台（open.alipay.com → 应用 → 开发设置 → 接口加签方式 → 公钥）把下面这一行
   粘贴为“应用公钥”：

%s

2. 随后控制台会显示“支付宝公钥”。请保存它（不是上面那一行）到
   %s

3. 在 Caddyfile 中写入：

{
	alipay {
		app_id %s
		app_private_key %s
		alipay_public_key %s
	}
}

4. 检查全部设置：caddy alipay doctor
`, p.Bits, p.PrivateKeyFile, p.PublicKeyFile, p.PublicKey,
		filepath.Join(filepath.Dir(p.PublicKeyFile), alipayPublicFile),
		"{env.ALIPAY_APP_ID}", p.PrivateKeyFile, filepath.Join(filepath.Dir(p.PublicKeyFile), alipayPublicFile))
}
