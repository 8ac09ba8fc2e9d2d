package gateway

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// routes is every path there is. Each has a name of its own in the metrics, so that those who try paths at random do
// not make metrics at random.
func (g *Gateway) routes() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern, name string, handler http.Handler) {
		mux.Handle(pattern, g.observe(name, handler))
	}
	handle("/graphql", "graphql", http.HandlerFunc(g.serveGraphQL))
	handle("GET /livez", "livez", text("text/plain; charset=utf-8", "alive\n"))
	handle("GET /readyz", "readyz", g.checks)
	handle("GET /metrics", "metrics", promhttp.HandlerFor(g.options.Registry, promhttp.HandlerOpts{
		Registry: g.options.Registry,
		// More scrapers than that at once are a mistake.
		MaxRequestsInFlight: 8,
		Timeout:             writeTimeout,
	}))
	handle("GET /schema.graphql", "schema", text("text/plain; charset=utf-8", g.options.SchemaText))
	if g.options.Playground != nil {
		handle("/playground", "playground", g.options.Playground)
		handle("/playground/", "playground", g.options.Playground)
		handle("GET /{$}", "root", http.RedirectHandler("/playground", http.StatusFound))
	}
	handle("/", "none", http.NotFoundHandler())
	return mux
}

func text(contentType, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		// The only error is a client that is gone.
		_, _ = io.WriteString(w, body)
	})
}

// observe names the request, sets the headers that every answer has, and counts.
func (g *Gateway) observe(route string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := requestIDOf(r, g.options.NewRequestID)
		header := w.Header()
		header.Set("X-Request-Id", id)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Frame-Options", "DENY")
		// The playground sets a policy of its own.
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")

		start := time.Now()
		recorder := &recorder{ResponseWriter: w}
		g.metrics.inFlight.Inc()
		defer func() {
			g.metrics.inFlight.Dec()
			g.metrics.observeRequest(route, r.Method, recorder.status, time.Since(start))
		}()
		r = r.WithContext(withRequestID(r.Context(), id))
		defer func() { g.survive(r, recorder, recover()) }()
		next.ServeHTTP(recorder, r)
	})
}

// survive logs what panicked outside of any operation, and answers if nothing was answered yet; an answer that was begun
// is broken off, so that nobody takes half of it for the whole.
func (g *Gateway) survive(r *http.Request, w *recorder, cause any) {
	if cause == nil {
		return
	}
	if abort, ok := cause.(error); ok && errors.Is(abort, http.ErrAbortHandler) {
		panic(cause)
	}
	err := g.faults.recovered(r.Context(), cause)
	if w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	g.refuse(w, r, http.StatusInternalServerError, err)
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController, and whoever takes the connection over, reach the server's own writer.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
