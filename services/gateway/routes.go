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

// table is every path there is. Each has a name of its own in the metrics, so that those who try paths at random do not
// make metrics at random.
func (g *Gateway) table() []route {
	// An answer of GraphQL gets its own time when it is there.
	all := []route{{"/graphql", "graphql", g.answerable(http.HandlerFunc(g.serveGraphQL))}}
	add := func(pattern, name string, answer time.Duration, handler http.Handler) {
		all = append(all, route{pattern, name, bounded(answer, g.answerable(handler))})
	}
	// Probes ask by whatever address they know, and learn nothing worth stealing.
	probe := func(pattern, name string, handler http.Handler) {
		all = append(all, route{pattern, name, bounded(writeTimeout, handler)})
	}
	probe("GET /livez", "livez", text("text/plain; charset=utf-8", "alive\n"))
	probe("GET /readyz", "readyz", g.checks)
	add("GET /metrics", "metrics", writeTimeout, promhttp.HandlerFor(g.options.Registry, promhttp.HandlerOpts{
		Registry: g.options.Registry,
		// More scrapers than that at once are a mistake.
		MaxRequestsInFlight: 8,
		Timeout:             writeTimeout,
	}))
	add("GET /schema.graphql", "schema", writeTimeout, text("text/plain; charset=utf-8", g.options.SchemaText))
	if g.options.Playground != nil {
		add("/playground", "playground", fileTimeout, g.options.Playground)
		add("/playground/", "playground", fileTimeout, g.options.Playground)
		add("GET /{$}", "root", writeTimeout, http.RedirectHandler("/playground", http.StatusFound))
	}
	add("/", "none", writeTimeout, http.NotFoundHandler())
	return all
}

// routes serves the table. What is on none of its paths (a path with ".." in it, say) the mux answers itself: that has
// a time, too.
func (g *Gateway) routes() http.Handler {
	mux := http.NewServeMux()
	for _, r := range g.table() {
		mux.Handle(r.pattern, g.observe(r.name, r.handler))
	}
	return limited(mux)
}

// text serves the same bytes to everybody.
func text(contentType, body string) http.Handler {
	shared := []byte(body)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		// The only error is a client that is gone.
		_, _ = w.Write(shared)
	})
}

// limited gives a request's body its time, be it read or not: what a handler leaves of it, the server reads.
func limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		controller := http.NewResponseController(w)
		// A writer that knows no deadlines is a test's. That of the connection's last answer is over. Before a body
		// comes, there may be a line to write that asks for it.
		_ = controller.SetWriteDeadline(time.Now().Add(bodyTimeout + writeTimeout))
		if r.ContentLength != 0 {
			_ = controller.SetReadDeadline(time.Now().Add(bodyTimeout))
		}
		next.ServeHTTP(w, r)
	})
}

// bounded gives the whole answer its time as well, where a request has no body that matters: whoever sends one gets the
// answer at once, and the connection is not used again.
func bounded(answer time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answer))
		if r.ContentLength != 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
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

// survive logs what panicked outside of any operation, and answers if nothing was answered yet; an answer that was
// begun is broken off, so that nobody takes half of it for the whole.
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

// WriteString implements io.StringWriter: what is written is not copied as a whole for whoever takes it slowly.
func (r *recorder) WriteString(s string) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return io.WriteString(r.ResponseWriter, s)
}

// Unwrap lets http.ResponseController, and whoever takes the connection over, reach the server's own writer.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
