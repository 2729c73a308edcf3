// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"archive/zip"
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/bank"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/wire"
)

const (
	billLife = 30 * time.Second // of real time at the clock's speed
	maxBills = 1000             // download addresses alive at the same time
)

// The errors of alipay.data.dataservice.bill.downloadurl.query (document
// 02ekfu). The page writes them without a prefix, and one of them misspelt.
var (
	errBillNone    = &bank.Error{Code: "isp.NO_BILL_DATA", Text: "账单数据为空"}
	errBillEarly   = &bank.Error{Code: "isp.BILL_NOT_EXIST", Text: "账单不存在"}
	errBillInvalid = &bank.Error{Code: "isp.INVAILID_ARGUMENTS", Text: "入参不合法"}
	errBillType    = &bank.Error{Code: "isp.TYPE_NOT_SUPPORTED", Text: "账单类型不支持"}
)

// bill is one download that was asked for.
type bill struct {
	kind     string
	from, to time.Time
	name     string // of the day or month, for the file
	until    time.Time
}

// billURL is alipay.data.dataservice.bill.downloadurl.query. A day's bill is
// there from the next day on; its address lives 30 seconds.
func (s *Sandbox) billURL(req *request) (object, error) {
	kind, _ := req.biz.text("bill_type")
	if kind != "trade" && kind != "signcustomer" {
		return nil, errBillType
	}
	date, _ := req.biz.text("bill_date")
	asked, err := billSpan(date)
	if err != nil {
		return nil, err
	}
	now := s.clock.Now()
	if now.Before(asked.to) {
		return nil, errBillEarly
	}
	if asked.kind = kind; len(s.billLines(asked)) == 0 {
		return nil, errBillNone
	}
	for token, old := range s.bills {
		if now.After(old.until) || len(s.bills) >= maxBills {
			delete(s.bills, token)
		}
	}
	life := billLife
	if s.ownClock != nil {
		life = time.Duration(float64(billLife) * max(s.cfg.Speed, 1))
	}
	asked.until = now.Add(life)
	token := randomToken()
	s.bills[token] = asked
	return succeeded(member{"bill_download_url", req.base + "/bill/" + token}), nil
}

// billSpan reads a day, yyyy-MM-dd, or a month, yyyy-MM.
func billSpan(date string) (bill, error) {
	if day, err := time.ParseInLocation("2006-01-02", date, zone); err == nil {
		return bill{from: day, to: day.AddDate(0, 0, 1), name: day.Format("20060102")}, nil
	}
	if month, err := time.ParseInLocation("2006-01", date, zone); err == nil {
		return bill{from: month, to: month.AddDate(0, 1, 0), name: month.Format("200601")}, nil
	}
	return bill{}, errBillInvalid
}

func (s *Sandbox) billRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /bill/{token}", s.serveBill)
}

func (s *Sandbox) serveBill(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	asked, ok := s.bills[r.PathValue("token")]
	now := s.clock.Now()
	var lines []billLine
	if ok {
		lines = s.billLines(asked)
	}
	s.mu.Unlock()
	if !ok || now.After(asked.until) {
		http.Error(w, "the bill's address is over; ask for another", http.StatusNotFound)
		return
	}
	archive, err := s.billArchive(asked, lines, now)
	if err != nil {
		s.cfg.Logger.Error("bill cannot be written", "error", err)
		http.Error(w, "the bill cannot be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", `attachment; filename="`+s.cfg.SellerID+"_"+asked.name+`.zip"`)
	_, _ = w.Write(archive) // a client that went away needs no answer
}

// billLine is one movement of money.
type billLine struct {
	trade  *bank.Trade
	refund *bank.Refund // nil: the payment
	at     time.Time
}

func (l billLine) amount() bank.Fen {
	if l.refund != nil {
		return -l.refund.Amount
	}
	return l.trade.Total
}

// billLines are the movements within a bill's span, by time.
func (s *Sandbox) billLines(asked bill) []billLine {
	var lines []billLine
	within := func(at time.Time) bool { return !at.Before(asked.from) && at.Before(asked.to) }
	for _, known := range s.sequence {
		trade := s.trade(known.outTradeNo)
		if trade == nil || trade.Paid.IsZero() {
			continue
		}
		if within(trade.Paid) {
			lines = append(lines, billLine{trade: trade, at: trade.Paid})
		}
		for _, refund := range trade.Refunds {
			if within(refund.At) {
				lines = append(lines, billLine{trade: trade, refund: &refund, at: refund.At})
			}
		}
	}
	slices.SortStableFunc(lines, func(a, b billLine) int { return a.at.Compare(b.at) })
	return lines
}

// billArchive is the zip: names and contents in GBK, without the flag that
// would say UTF-8.
func (s *Sandbox) billArchive(asked bill, lines []billLine, now time.Time) ([]byte, error) {
	label, detail := "业务明细", s.tradeDetail
	if asked.kind == "signcustomer" {
		label, detail = "账务明细", s.accountDetail
	}
	stem := s.cfg.SellerID + "0156_" + asked.name + "_" + label
	var archive bytes.Buffer
	writer := zip.NewWriter(&archive)
	for _, file := range []struct{ name, text string }{
		{stem + ".csv", detail(asked, lines, now)},
		{stem + "(汇总).csv", s.billSummary(asked, label, lines, now)},
	} {
		name, err := wire.Encode(wire.GBK, file.name)
		if err != nil {
			return nil, err
		}
		text, err := wire.Encode(wire.GBK, file.text)
		if err != nil {
			return nil, err
		}
		entry, err := writer.CreateHeader(&zip.FileHeader{Name: name, NonUTF8: true, Method: zip.Deflate, Modified: now})
		if err != nil {
			return nil, fmt.Errorf("zip: %w", err)
		}
		if _, err := entry.Write([]byte(text)); err != nil {
			return nil, fmt.Errorf("zip: %w", err)
		}
	}
	if err := writer.Close(); err != nil {
		return nil, fmt.Errorf("zip: %w", err)
	}
	return archive.Bytes(), nil
}

// billText frames a table as Alipay does: comment lines with #, each field
// padded with a tab.
func (s *Sandbox) billText(asked bill, label string, header []string, rows [][]string, foot []string) string {
	const rule = "-----------------------------------------"
	var text strings.Builder
	day := func(t time.Time) string { return t.Format("2006年01月02日 15:04:05") }
	fmt.Fprintf(&text, "#支付宝%s查询\r\n#账号：[%s0156]\r\n#起始日期：[%s]   终止日期：[%s]\r\n#%s%s列表%s\r\n",
		label, s.cfg.SellerID, day(asked.from), day(asked.to), rule, label, rule)
	text.WriteString(strings.Join(header, ",") + "\r\n")
	for _, row := range rows {
		for i, field := range row {
			if i > 0 {
				text.WriteByte(',')
			}
			text.WriteString(billField(field))
		}
		text.WriteString("\r\n")
	}
	fmt.Fprintf(&text, "#%s%s列表结束%s\r\n", rule, label, rule)
	for _, line := range foot {
		text.WriteString("#" + line + "\r\n")
	}
	return text.String()
}

// billField pads a field with a tab; one that would break the table is quoted,
// the tab inside.
func billField(field string) string {
	if strings.ContainsAny(field, ",\"\r\n") {
		return `"` + strings.ReplaceAll(field, `"`, `""`) + "\t\""
	}
	return field + "\t"
}
