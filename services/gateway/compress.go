package gateway

import (
	"bytes"
	"net/http"
	"strconv"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// The codings of an answer, by their names in Accept-Encoding (RFC 9110, 8.4.1, and RFC 8878).
const (
	codingGzip = "gzip"
	codingZstd = "zstd"
)

// compression makes whole answers shorter. An answer is compressed in one piece, before its deadline begins: a client
// that reads slowly holds no encoder.
type compression struct {
	// places are for the answers that are being compressed. There are as many as processors: a place is held for the
	// tens of microseconds that a usual search takes.
	places chan struct{}
	zstd   *zstd.Encoder
	// gzips holds *gzip.Writer.
	gzips sync.Pool
}

// newCompression makes one that compresses so many answers at a time. Both codings have their fastest level: a higher
// one takes twice the time, for a tenth less bytes.
func newCompression(places int) (*compression, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(places),
		zstd.WithWindowSize(compressionWindow), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, err
	}
	return &compression{
		places: make(chan struct{}, places), zstd: encoder,
		gzips: sync.Pool{New: func() any {
			w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
			if err != nil {
				panic(err) // It knows the level.
			}
			return w
		}},
	}, nil
}

// compress returns the body of a response to a client of these headers, and its coding. Where the client wants no coding,
// the body is short, or all places are taken, the body is as it was and the coding "". An answer does not wait for a
// place.
func (c *compression) compress(request http.Header, body []byte) (sent []byte, coding string) {
	if len(body) < compressedBytes {
		return body, ""
	}
	coding = codingOf(request)
	if coding == "" {
		return body, ""
	}
	select {
	case c.places <- struct{}{}:
		defer func() { <-c.places }()
	default:
		return body, ""
	}
	if sent = c.encode(coding, body); len(sent) >= len(body) {
		return body, ""
	}
	return sent, coding
}

func (c *compression) encode(coding string, body []byte) []byte {
	// A list of offers becomes a tenth.
	room := make([]byte, 0, len(body)/8)
	if coding == codingZstd {
		return c.zstd.EncodeAll(body, room)
	}
	out := bytes.NewBuffer(room)
	w := c.gzips.Get().(*gzip.Writer)
	w.Reset(out)
	// A buffer takes everything.
	_, _ = w.Write(body)
	_ = w.Close()
	w.Reset(nil) // The pool keeps no answer.
	c.gzips.Put(w)
	return out.Bytes()
}

// codingOf is the coding that Accept-Encoding asks for (RFC 9110, 12.5.3); "" is none. Of equal qualities gzip goes
// before zstd, since some libraries ask for zstd on a Node that cannot read it, and both before an answer as it is. "*"
// stands for gzip, which everybody knows.
func codingOf(request http.Header) string {
	qualities := map[string]float64{}
	for _, one := range preferences(request.Values("Accept-Encoding")) {
		qualities[one.name] = one.quality
	}
	gzipQuality, named := qualities[codingGzip]
	if !named {
		gzipQuality = qualities["*"]
	}
	coding, quality := codingGzip, gzipQuality
	if qualities[codingZstd] > quality {
		coding, quality = codingZstd, qualities[codingZstd]
	}
	if quality == 0 || qualities["identity"] > quality {
		return ""
	}
	return coding
}

// fixed serves the same text to every request, in each coding. Each is made once.
func (c *compression) fixed(contentType, text string) http.Handler {
	body := []byte(text)
	variants := map[string][]byte{"": body}
	for _, coding := range []string{codingGzip, codingZstd} {
		if encoded := c.encode(coding, body); len(encoded) < len(body) {
			variants[coding] = encoded
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Type", contentType)
		header.Add("Vary", "Accept-Encoding")
		coding := codingOf(r.Header)
		sent, ok := variants[coding]
		if !ok {
			sent, coding = body, ""
		}
		if coding != "" {
			header.Set("Content-Encoding", coding)
		}
		header.Set("Content-Length", strconv.Itoa(len(sent)))
		// An error can only mean that the client is gone.
		_, _ = w.Write(sent)
	})
}
