package gateway

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// route is a path, its name in the metrics, and what serves it.
type route struct {
	pattern, name string
	handler       http.Handler
}

// table is every path there is. Each has a fixed name in the metrics: a client that tries paths at random makes no new
// metrics.
func (g *Gateway) table() []route {
	// A response of GraphQL gets its deadline when it is made.
	all := []route{{"/graphql", "graphql", g.answerable(http.HandlerFunc(g.serveGraphQL))}}
	add := func(pattern, name string, within time.Duration, handler http.Handler) {
		all = append(all, route{pattern, name, bounded(within, g.answerable(handler))})
	}
	// Probes may use any address of the server as its name. What they read is public.
	probe := func(pattern, name string, handler http.Handler) {
		all = append(all, route{pattern, name, bounded(writeTimeout, handler)})
	}
	probe("GET /livez", "livez", text("text/plain; charset=utf-8", "alive\n"))
	probe("GET /readyz", "readyz", g.checks)
	add("GET /metrics", "metrics", writeTimeout, promhttp.HandlerFor(g.options.Registry, promhttp.HandlerOpts{
		Registry: g.options.Registry,
		// More scrapers at once are a mistake.
		MaxRequestsInFlight: 8,
		Timeout:             writeTimeout,
	}))
	add("GET /schema.graphql", "schema", writeTimeout,
		g.compression.fixed("text/plain; charset=utf-8", g.options.SchemaText))
	if g.options.Webhooks != nil {
		all = append(all, route{"/webhooks/", "webhooks", g.answerable(g.options.Webhooks)})
	}
	if g.options.Playground != nil {
		add("/playground", "playground", fileTimeout, g.options.Playground)
		add("/playground/", "playground", fileTimeout, g.options.Playground)
		add("GET /{$}", "root", writeTimeout, http.RedirectHandler("/playground", http.StatusFound))
	}
	add("/", "none", writeTimeout, http.NotFoundHandler())
	return all
}

// routes serves the table. The mux itself answers some requests that match no path, such as one with ".." in it. These
// have a deadline, too.
func (g *Gateway) routes() http.Handler {
	mux := http.NewServeMux()
	for _, r := range g.table() {
		mux.Handle(r.pattern, g.observe(r.name, r.handler))
	}
	return limited(mux)
}

// text serves the same bytes to every request.
func text(contentType, body string) http.Handler {
	shared := []byte(body)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		// An error can only mean that the client is gone.
		_, _ = w.Write(shared)
	})
}

// limited gives the body of every request a deadline, also where its handler does not read it: the server reads the
// rest.
func limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		controller := http.NewResponseController(w)
		// Only a test's writer has no deadlines. The deadline of the connection's last response is over, and a line
		// that asks for the body (100 Continue) may have to be written before it comes.
		_ = controller.SetWriteDeadline(time.Now().Add(bodyTimeout + writeTimeout))
		if r.ContentLength != 0 {
			_ = controller.SetReadDeadline(time.Now().Add(bodyTimeout))
		}
		next.ServeHTTP(w, r)
	})
}

// bounded gives the whole response a deadline as well, for routes that need no body. A request with a body gets its
// response at once, and its connection is not used again.
func bounded(within time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(within))
		if r.ContentLength != 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// observe gives a request its id, sets the headers of every response, and counts the request.
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

// survive logs a panic outside of any operation. It answers 500 if no response was begun. A response that was begun is
// broken off, so that the client does not take half of it for the whole.
func (g *Gateway) survive(r *http.Request, w *recorder, cause any) {
	if cause == nil {
		return
	}
	if abort, ok := cause.(error); ok && errors.Is(abort, http.ErrAbortHandler) {
		panic(cause)
	}
	err := g.presenter.recovered(r.Context(), cause)
	if w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	g.refuse(w, r, http.StatusInternalServerError, err)
}

// recorder notes the status of a response.
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

// WriteString implements io.StringWriter. So a long text is not copied as a whole for a client that reads slowly.
func (r *recorder) WriteString(s string) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return io.WriteString(r.ResponseWriter, s)
}

// Unwrap lets http.ResponseController and the WebSocket library reach the server's own writer.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
