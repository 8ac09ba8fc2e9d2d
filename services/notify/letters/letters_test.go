package letters_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"interlock/services/notify"
	"interlock/services/notify/letters"
	"interlock/services/rail"
)

func order() *notify.Order {
	beijing := time.FixedZone("CST", 8*3600)
	at := time.Date(2030, 5, 1, 9, 0, 0, 0, beijing)
	fare := rail.Money{Minor: 55_300, Currency: "CNY"}
	return &notify.Order{
		Number: "4F7K2M9QX8TB", State: rail.Paid, Train: "G1", Reason: "flood", RunReason: "snow", Total: fare,
		Contact: rail.Contact{Email: "anna@example.com", Language: "zh-CN"},
		From:    notify.Stop{Name: "北京南", Names: map[string]string{"en": "Beijing South"}, At: at},
		To:      notify.Stop{Name: "上海虹桥", Names: map[string]string{"en": "Shanghai Hongqiao"}, At: at.Add(5 * time.Hour)},
		Tickets: []notify.Ticket{
			{Passenger: "王秀英", Document: "11***02", SeatClass: "SECOND", Coach: "03", Seat: "12F", Price: fare, State: rail.TicketIssued},
			{Passenger: "李娜", Document: "11***03", SeatClass: "SECOND", Coach: "03", Seat: "12D", Price: fare, State: rail.TicketRefunded},
		},
		Refunds: []notify.Refund{
			{Kind: rail.RefundAsked, At: at, Back: rail.Money{Minor: 100, Currency: "CNY"}},
			{Kind: rail.RefundAsked, At: at.Add(1), Back: rail.Money{Minor: 52_500, Currency: "CNY"}, Fee: rail.Money{Minor: 2_800, Currency: "CNY"}},
		},
	}
}

func open(t *testing.T, dir string) *letters.Templates {
	t.Helper()
	all, err := letters.Open(dir)
	require.NoError(t, err)
	return all
}

// TestCompose writes every kind in both languages: what a reader needs is in the text and in the page.
func TestCompose(t *testing.T) {
	all := open(t, "")
	require.Equal(t, []string{"en", "zh"}, all.Languages())
	for kind, words := range map[notify.Kind]map[string][]string{
		notify.Paid:      {"zh": {"支付成功"}, "en": {"your order is paid"}},
		notify.Refunded:  {"zh": {"退票成功", "¥525.00", "¥28.00"}, "en": {"given back", "525.00 CNY", "28.00 CNY"}},
		notify.Withdrawn: {"zh": {"停运", "flood"}, "en": {"does not run", "flood"}},
		notify.Suspended: {"zh": {"暂停运行", "snow"}, "en": {"suspended", "snow"}},
		notify.Resumed:   {"zh": {"恢复运行"}, "en": {"runs as planned"}},
		notify.Resent:    {"zh": {"重新发送"}, "en": {"again"}},
	} {
		for language, want := range words {
			o := order()
			o.Contact.Language = language
			l := &letters.Letter{Kind: kind, Order: o, Page: "https://railway.example/o/1?a=b&c=d", Attached: true}
			texts, err := all.Compose(l)
			require.NoError(t, err)
			require.NotEmpty(t, texts.Subject)
			require.NotContains(t, texts.Subject, "\n")
			stations := map[string][]string{
				"zh": {"北京南", "上海虹桥", "二等座"}, "en": {"Beijing South", "Shanghai Hongqiao", "Second class"},
			}[language]
			for _, one := range append(append(want, stations...), "4F7K2M9QX8TB", "G1", "王秀英", "12F", "09:00", "2030-05-01") {
				require.Contains(t, texts.Text, one, "%s %s", kind, language)
				require.Contains(t, textOf(t, texts.HTML), one, "%s %s", kind, language)
			}
			require.Contains(t, texts.Text, "https://railway.example/o/1?a=b&c=d")
			require.Contains(t, texts.HTML, `href="https://railway.example/o/1?a=b&amp;c=d"`)
			require.NotContains(t, texts.Text, "李娜", "her ticket is not good any more")
			require.NotContains(t, texts.HTML, "<img")
			require.NotContains(t, texts.HTML+texts.Text, "SECOND")
			if keep := os.Getenv("LETTERS"); keep != "" {
				require.NoError(t, os.WriteFile(filepath.Join(keep, string(kind)+"."+language+".html"), []byte(texts.HTML), 0o600))
			}
		}
	}
}

// textOf is the text of a page.
func textOf(t require.TestingT, page string) string {
	root, err := html.Parse(strings.NewReader(page))
	require.NoError(t, err)
	var b bytes.Buffer
	for n := range root.Descendants() {
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
		}
	}
	return b.String()
}

// TestCompose_NearestLanguage falls back from a region to its language, and from an unknown one to English.
func TestCompose_NearestLanguage(t *testing.T) {
	all := open(t, "")
	for asked, want := range map[string]string{
		"zh": "zh", "zh-CN": "zh", "zh-Hant-TW": "zh", "en-GB": "en", "": "en", "sw": "en", "not a tag": "en",
	} {
		o := order()
		o.Contact.Language = asked
		l := &letters.Letter{Kind: notify.Paid, Order: o}
		_, err := all.Compose(l)
		require.NoError(t, err)
		require.Equal(t, want, l.Language, asked)
	}
}

// TestCompose_NothingBreaksOut writes letters to people with any name: no element, no line of a header.
func TestCompose_NothingBreaksOut(t *testing.T) {
	all := open(t, "")
	elements := func(t require.TestingT, page string) (n int) {
		root, err := html.Parse(strings.NewReader(page))
		require.NoError(t, err)
		for one := range root.Descendants() {
			if one.Type == html.ElementNode {
				n++
			}
		}
		return n
	}
	usual := order()
	texts, err := all.Compose(&letters.Letter{Kind: notify.Paid, Order: usual})
	require.NoError(t, err)
	want := elements(t, texts.HTML)
	rapid.Check(t, func(t *rapid.T) {
		o := order()
		name := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
			"<script>alert(1)</script>", "{{.Order}}", "a\r\nBcc: b@example.com", `"><img src=x onerror=y>`, "<!--", "</title>",
		})).Draw(t, "name")
		o.Tickets[0].Passenger, o.From.Name, o.To.Name, o.Train = name, name, name, name
		texts, err := all.Compose(&letters.Letter{Kind: notify.Paid, Order: o})
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(texts.Subject, "\r\n") || len([]rune(texts.Subject)) > 200 {
			t.Fatalf("the subject is %q", texts.Subject)
		}
		if got := elements(t, texts.HTML); got != want {
			t.Fatalf("%d elements, not %d", got, want)
		}
	})
}

// TestOpen_AFolderOfOnesOwn adds a language and replaces a part of ours. What is broken is refused by name.
func TestOpen_AFolderOfOnesOwn(t *testing.T) {
	dir := t.TempDir()
	put := func(file, text string) {
		t.Helper()
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
	}
	put("zh/subject.txt", "车票 {{.Order.Number}}")
	put("sw/subject.txt", "Tiketi {{.Order.Number}}")
	put("sw/letter.txt", "{{range .Valid}}{{.Passenger}} {{$.Class .SeatClass}}, {{$.Class \"FIRST\"}}{{end}}")
	put("sw/classes.txt", "# Madaraja\n\nSECOND = Daraja la pili\n")
	put("sw/letter.html", "<p>{{range .Valid}}{{.Passenger}}{{end}}</p>")
	all := open(t, dir)
	require.Equal(t, []string{"en", "sw", "zh"}, all.Languages())
	o := order()
	texts, err := all.Compose(&letters.Letter{Kind: notify.Paid, Order: o})
	require.NoError(t, err)
	require.Equal(t, "车票 4F7K2M9QX8TB", texts.Subject)
	require.Contains(t, texts.Text, "支付成功", "the rest is ours")
	o.Contact.Language = "sw"
	texts, err = all.Compose(&letters.Letter{Kind: notify.Paid, Order: o})
	require.NoError(t, err)
	require.Equal(t, "<p>王秀英</p>", texts.HTML)
	require.Equal(t, "王秀英 Daraja la pili, First class", texts.Text, "what it has no name for is in English")

	for _, c := range []struct{ file, text, want string }{
		{"sw/letter.txt", "Habari\n{{.Nothing}}", "sw/letter.txt:2:"},
		{"sw/letter.html", "<p>\n\n{{range .Valid}}", "sw/letter.html:3:"},
		{"sw/letter.html", "<p title={{.Page}}'>", "sw/letter.html: "},
		{"sw/subject.txt", `{{template "none"}}`, "sw/subject.txt"},
		{"sw/classes.txt", "SECOND = a\nsecond = b", "sw/classes.txt:2:"},
		{"sw/classes.txt", "\nSECOND", "sw/classes.txt:2:"},
		{"sw/classes.txt", "SECOND =", "sw/classes.txt:1:"},
		{"sw/classes.txt", "SECOND = a\nSECOND = b", "sw/classes.txt:2:"},
		{"xx-yy-zz/letter.txt", "a", "xx-yy-zz"},
		{"fr/letter.txt", "a", "fr: there is no"},
	} {
		file, text := c.file, c.text
		was, _ := os.ReadFile(filepath.Join(dir, file))
		put(file, text)
		_, err := letters.Open(dir)
		require.ErrorContains(t, err, c.want, file)
		if was == nil {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, filepath.Dir(file))))
		} else {
			put(file, string(was))
		}
	}
	put("sw/letter.txt", strings.Repeat("a", 300<<10))
	_, err = letters.Open(dir)
	require.ErrorContains(t, err, "longer than")
}

// TestOpen_EveryClassHasAName looks at our own languages.
func TestOpen_EveryClassHasAName(t *testing.T) {
	all := open(t, "")
	for _, language := range all.Languages() {
		seen := map[string]bool{}
		for _, class := range rail.SeatClasses {
			o := order()
			o.Contact.Language = language
			l := &letters.Letter{Kind: notify.Paid, Order: o}
			require.Equal(t, string(class), l.Class(class))
			_, err := all.Compose(l)
			require.NoError(t, err)
			name := l.Class(class)
			require.NotEqual(t, string(class), name)
			require.False(t, seen[name], name)
			seen[name] = true
			require.Equal(t, language == "en", strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ, ") == "", name)
		}
	}
}
