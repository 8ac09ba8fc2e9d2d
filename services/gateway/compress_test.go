package gateway_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"interlock/services/gateway"
	"interlock/services/identity"
)

// decoded is what a client reads out of a body.
func decoded(t *testing.T, coding, body string) string {
	t.Helper()
	var reader io.Reader = strings.NewReader(body)
	switch coding {
	case "gzip":
		unpacked, err := gzip.NewReader(reader)
		require.NoError(t, err)
		reader = unpacked
	case "zstd":
		unpacked, err := zstd.NewReader(reader, zstd.WithDecoderMaxWindow(8<<20))
		require.NoError(t, err)
		defer unpacked.Close()
		reader = unpacked
	default:
		require.Empty(t, coding)
	}
	text, err := io.ReadAll(reader)
	require.NoError(t, err)
	return string(text)
}

// What clients send, and which coding they get (RFC 9110, 12.5.3).
func TestCompression_AsAskedFor(t *testing.T) {
	w := start(t, func(o *gateway.Options) { o.SchemaText = large })
	plain := w.do(t, "GET", "/graphql?query={blob(bytes:5000)}", "", "Accept-Encoding", "identity").raw
	require.Greater(t, len(plain), 5000)
	for accept, coding := range map[string]string{
		"":                                "",
		"identity":                        "",
		"gzip":                            "gzip",
		"zstd":                            "zstd",
		"gzip, deflate, br, zstd":         "gzip", // Chromium and Firefox
		"gzip, deflate, br":               "gzip", // Safari
		"deflate, br":                     "",
		"GZIP":                            "gzip",
		"gzip, zstd;q=0.9":                "gzip",
		"gzip;q=0.8, zstd;q=0.9":          "zstd",
		"gzip;q=0, zstd;q=0":              "",
		"gzip;q=0, zstd":                  "zstd",
		"*":                               "gzip",
		"*;q=0":                           "",
		"gzip;q=0, *":                     "",
		"br, *;q=0.1":                     "gzip",
		"identity, gzip;q=0.5":            "",
		"identity;q=0.5, gzip":            "gzip",
		"identity;q=0, gzip;q=0.1, *":     "gzip",
		"gzip;q=x, zstd;q=2":              "",
		strings.Repeat("x,", 64) + "gzip": "",
	} {
		// Without a line of its own, Go's client asks for gzip and hides that it does.
		r := w.do(t, "GET", "/graphql?query={blob(bytes:5000)}", "", "Accept-Encoding", accept+" ")
		require.Equal(t, coding, r.header.Get("Content-Encoding"), accept)
		require.Equal(t, fmt.Sprint(len(r.raw)), r.header.Get("Content-Length"))
		require.Contains(t, strings.Join(r.header.Values("Vary"), ", "), "Accept-Encoding")
		require.Equal(t, plain, decoded(t, coding, r.raw), accept)
		require.Equal(t, coding != "", len(r.raw) < 500)

		get := w.do(t, "GET", "/schema.graphql", "", "Accept-Encoding", accept+" ")
		require.Equal(t, coding, get.header.Get("Content-Encoding"), accept)
		require.Equal(t, large, decoded(t, coding, get.raw))
		head := w.do(t, "HEAD", "/schema.graphql", "", "Accept-Encoding", accept+" ")
		for _, name := range []string{"Content-Encoding", "Content-Length", "Content-Type", "Vary"} {
			require.Equal(t, get.header.Get(name), head.header.Get(name), name)
		}
		require.Empty(t, head.raw)
	}
}

// What is short, and what is told bit by bit, goes as it is.
func TestCompression_LeavesOut(t *testing.T) {
	w := start(t)
	const all = "gzip, zstd"
	for name, r := range map[string]*reply{
		"a purchase":                    w.post(t, `mutation{sell(count:1)}`, "Accept-Encoding", all),
		"a little less than a kilobyte": w.do(t, "GET", "/graphql?query={blob(bytes:1000)}", "", "Accept-Encoding", all),
		"a refusal":                     w.post(t, `{hello}`, "Accept-Encoding", all, "Authorization", "Bearer x"),
		"events":                        w.post(t, `{blob(bytes:5000)}`, "Accept-Encoding", all, "Accept", eventsType),
		"a stream":                      w.post(t, `subscription{whoever}`, "Accept-Encoding", all, "Accept", eventsType),
		"a probe":                       w.do(t, "GET", "/livez", "", "Accept-Encoding", all),
	} {
		require.Empty(t, r.header.Get("Content-Encoding"), name)
	}
	r := w.do(t, "GET", "/graphql?query={blob(bytes:1100)}", "", "Accept-Encoding", all)
	require.Equal(t, "gzip", r.header.Get("Content-Encoding"))
	r = w.do(t, "GET", "/metrics", "", "Accept-Encoding", "gzip")
	require.Contains(t, decoded(t, r.header.Get("Content-Encoding"), r.raw), "interlock_build_info")

	noise := make([]byte, 4096)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	for _, coding := range []string{"gzip", "zstd"} {
		sent, used := w.gate.Compression().Compress(coding, noise)
		require.Empty(t, used, "%s makes it longer", coding)
		require.Equal(t, noise, sent)
	}
}

// Few answers are compressed at a time. The others do not wait, and go as they are.
func TestCompression_HasPlaces(t *testing.T) {
	w := start(t)
	compression := w.gate.Compression()
	for range gateway.DefaultMaxReading {
		compression.Enter()
	}
	r := w.do(t, "GET", "/graphql?query={blob(bytes:5000)}", "", "Accept-Encoding", "zstd")
	require.Empty(t, r.header.Get("Content-Encoding"))
	require.Len(t, r.Data, 1)
	compression.Leave()
	r = w.do(t, "GET", "/graphql?query={blob(bytes:5000)}", "", "Accept-Encoding", "zstd")
	require.Equal(t, "zstd", r.header.Get("Content-Encoding"))
}

// An encoder is used by one answer after the other, and mixes none up.
func TestCompression_SideBySide(t *testing.T) {
	w := start(t)
	done := make(chan error, 8)
	for i := range cap(done) {
		go func() {
			body := []byte(strings.Repeat(fmt.Sprint("answer ", i, " "), 1000))
			for range 50 {
				for _, coding := range []string{"gzip", "zstd"} {
					sent, used := w.gate.Compression().Compress(coding, body)
					if got := decoded(t, used, string(sent)); got != string(body) {
						done <- fmt.Errorf("%s of answer %d is another", coding, i)
						return
					}
				}
			}
			done <- nil
		}()
	}
	for range cap(done) {
		require.NoError(t, <-done)
	}
}

// BenchmarkCompression is what a list of fifty offers costs, and how long it becomes.
func BenchmarkCompression(b *testing.B) {
	var body bytes.Buffer
	body.WriteString(`{"data":{"searchTickets":{"nodes":[`)
	for i := range 50 {
		fmt.Fprintf(&body, `{"run":{"id":"UnVuOkc%dQDIwMjYtMTItMDI","train":{"number":"G%d"},"state":"ON_SALE"},"from":{`+
			`"station":{"code":"VNP","name":"北京南"},"departure":"2026-12-02T%02d:%02d:00+08:00"},"to":{"station":{"code":`+
			`"AOH","name":"上海虹桥"},"arrival":"2026-12-02T%02d:%02d:00+08:00"},"durationMinutes":%d,"version":%d,`+
			`"classes":[{"seatClass":"FIRST","remaining":%d,"price":{"amount":"933.0","currencyCode":"CNY"}},{"seatClass":`+
			`"SECOND","remaining":%d,"price":{"amount":"553.0","currencyCode":"CNY"}}]},`,
			100+7*i%90, 100+i, 6+i/4, i*13%60, 11+i/4, i*17%60, 270+i*29%90, i*31%400, i*37%100, i*41%900)
	}
	body.WriteString(`]}}}`)
	tokens, err := identity.NewDevelopment(secret)
	require.NoError(b, err)
	gate, err := gateway.New(gateway.Options{Schema: newStub(), Identity: tokens})
	require.NoError(b, err)
	for _, coding := range []string{"identity", "gzip", "zstd"} {
		b.Run(coding, func(b *testing.B) {
			var sent []byte
			for b.Loop() {
				sent, _ = gate.Compression().Compress(coding, body.Bytes())
			}
			b.ReportMetric(float64(len(sent)), "bytes")
		})
	}
}
