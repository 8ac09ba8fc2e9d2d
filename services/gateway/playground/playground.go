// Package playground serves GraphiQL, the page in which admins of a railway publish trains and others try the API. Its
// scripts, styles, fonts and workers are embedded in the binary and come from the server's own origin, so the page
// works without the internet.
//
// It answers no GraphQL: the page talks to /graphql of the same origin. It sees no token: the page keeps it. A binary
// that was built without Node has no bundle, and serves a page that says how to get one.
//
// Everything under assets/ has the hash of its content in its name, so it may be cached for ever. The page itself may
// not be cached, or an upgraded server would be asked for assets that it no longer has. The handler is immutable and
// safe for concurrent use.
package playground

import (
	"bytes"
	"compress/gzip"
	"embed"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// The folder always holds a committed placeholder; Vite builds index.html and assets/ beside it. "all:" also embeds
// names that begin with "_" or ".": a bundler may use any name.
//
//go:embed all:dist
var dist embed.FS

const (
	root         = "/playground"
	assetsPath   = root + "/assets/"
	licensesPath = root + "/licenses.md" // of the packages in the bundle; most ask to be named wherever they are

	// A year is the longest that caches honour. Another content has another name.
	cacheForever = "public, max-age=31536000, immutable"
	// A cache may keep it, but must ask each time: it names the assets of this build.
	cacheNever = "no-cache"

	// The bundle asks nothing of any other origin. Inline styles are allowed because Monaco and GraphiQL make style
	// elements and attributes as they go. GraphiQL's fonts and Monaco's drawings are data: URLs inside the styles.
	// connect-src covers the WebSocket of the same origin too.
	contentSecurityPolicy = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; " +
		"style-src 'self' 'unsafe-inline'; font-src 'self' data:; img-src 'self' data:; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

// Handler serves /playground, /playground/ and what the page needs below that; mount it at "/playground" and
// "/playground/" without stripping the prefix.
func Handler() http.Handler {
	bundle, err := fs.Sub(dist, "dist")
	if err != nil {
		panic("playground: the embedded folder is called dist: " + err.Error())
	}
	return newHandler(bundle)
}

// newHandler serves the bundle in the given folder, or says how to build it where there is no index.html.
func newHandler(bundle fs.FS) http.Handler {
	page, err := fs.ReadFile(bundle, "index.html")
	if err != nil {
		return handler{page: []byte(notBuilt), bundle: bundle}
	}
	licenses, err := fs.ReadFile(bundle, "licenses.md")
	if err != nil {
		licenses = nil // The page works without it.
	}
	return handler{page: page, licenses: licenses, bundle: bundle}
}

type handler struct {
	page     []byte
	licenses []byte // nil: there is no such file
	bundle   fs.FS
}

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", contentSecurityPolicy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")

	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "the playground is read with GET; GraphQL is at /graphql", http.StatusMethodNotAllowed)
		return
	}
	switch name, isAsset := strings.CutPrefix(r.URL.Path, assetsPath); {
	case isAsset:
		h.serveAsset(w, r, name)
	case r.URL.Path == root, r.URL.Path == root+"/":
		header.Set("Cache-Control", cacheNever)
		header.Set("Content-Type", "text/html; charset=utf-8")
		send(w, r, bytes.NewReader(h.page), int64(len(h.page)))
	case r.URL.Path == licensesPath && h.licenses != nil:
		header.Set("Cache-Control", cacheNever)
		header.Set("Content-Type", "text/plain; charset=utf-8")
		send(w, r, bytes.NewReader(h.licenses), int64(len(h.licenses)))
	default:
		http.NotFound(w, r)
	}
}

// serveAsset sends one file of the bundle. The build stores them compressed only; a client that takes no gzip gets the
// file unpacked on the way.
func (h handler) serveAsset(w http.ResponseWriter, r *http.Request, name string) {
	file, err := h.bundle.Open("assets/" + name + ".gz")
	if err != nil {
		// It is not there, or is no path: fs.FS refuses "..", "//" and the like. The client need not know which.
		http.NotFound(w, r)
		return
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		http.NotFound(w, r)
		return
	}

	header := w.Header()
	header.Set("Cache-Control", cacheForever)
	header.Set("Content-Type", contentType(name))
	header.Set("Vary", "Accept-Encoding")
	if acceptsGzip(r) {
		header.Set("Content-Encoding", "gzip")
		send(w, r, file, info.Size())
		return
	}
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		header.Del("Cache-Control")
		http.Error(w, "the embedded bundle is damaged; build it again", http.StatusInternalServerError)
		return
	}
	send(w, r, unpacked, unknownSize)
}

const unknownSize = -1

// send writes the body, or for HEAD only what GET would have said about it.
func send(w http.ResponseWriter, r *http.Request, body io.Reader, size int64) {
	if size != unknownSize {
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	}
	if r.Method == http.MethodHead {
		return
	}
	// An error can only mean that the client is gone.
	_, _ = io.Copy(w, body)
}

// acceptsGzip tells whether the client takes gzip. A refusal by "q=0" is honoured; finer preferences do not matter when
// there are two choices.
func acceptsGzip(r *http.Request) bool {
	for _, field := range r.Header.Values("Accept-Encoding") {
		for coding := range strings.SplitSeq(field, ",") {
			name, quality, _ := strings.Cut(strings.TrimSpace(coding), ";")
			if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
				continue
			}
			weight, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(quality), "q="), 64)
			return err != nil || weight > 0
		}
	}
	return false
}

// contentType names the types of a bundle itself: what the operating system's tables say about ".js" differs from
// machine to machine, and a browser runs no script that comes under a wrong name.
func contentType(name string) string {
	switch extension := path.Ext(name); extension {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".ttf":
		return "font/ttf"
	case ".woff2":
		return "font/woff2"
	default:
		if known := mime.TypeByExtension(extension); known != "" {
			return known
		}
		return "application/octet-stream"
	}
}

// notBuilt is the page of a server that was built without Node. The API is all there; only the page is missing.
const notBuilt = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>GraphiQL is not built</title>
<style>
body { font: 16px/1.6 system-ui, sans-serif; margin: 12vh auto; max-width: 38em; padding: 0 1.5em; }
code { background: color-mix(in srgb, currentColor 10%, transparent); border-radius: 4px; padding: 2px 6px; }
</style>
</head>
<body>
<h1>GraphiQL is not built</h1>
<p>This <code>interlock</code> was built where Node.js was missing, so it has no playground in it.
Everything else works:
the API is at <code>/graphql</code>, its schema at <a href="/schema.graphql"><code>/schema.graphql</code></a>.</p>
<p>To get the playground, install Node.js 20.19 or newer, run <code>make build</code> in Interlock's source folder, and
start the new <code>bin/interlock</code>.</p>
</body>
</html>
`
