package playground_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"interlock/services/gateway/playground"

	"github.com/stretchr/testify/require"
)

const script = "console.log('interlock')\n"

func bundle(t *testing.T) fs.FS {
	t.Helper()
	return fstest.MapFS{
		"placeholder.txt":              {Data: []byte("committed\n")},
		"index.html":                   {Data: []byte("<!doctype html><title>Interlock GraphiQL</title>")},
		"licenses.md":                  {Data: []byte("# Licenses\n")},
		"assets/index-BPsVM2M1.js.gz":  {Data: compress(t, script)},
		"assets/index-DtDIb3-w.css.gz": {Data: compress(t, "body{}")},
		"assets/damaged.js.gz":         {Data: []byte("not gzip")},
		"assets/folder.js.gz/file":     {Data: []byte("a folder with a file's name")},
	}
}

func compress(t *testing.T, text string) []byte {
	t.Helper()
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	_, err := io.WriteString(writer, text)
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	return packed.Bytes()
}

func ask(handler http.Handler, method, path string, header http.Header) *http.Response {
	request := httptest.NewRequest(method, path, http.NoBody)
	for name, values := range header {
		request.Header[name] = values
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder.Result()
}

func body(t *testing.T, response *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(text)
}

func TestHandler_Built(t *testing.T) {
	handler := playground.NewHandler(bundle(t))
	for _, path := range []string{"/playground", "/playground/", "/playground?anything"} {
		response := ask(handler, http.MethodGet, path, nil)
		require.Equal(t, http.StatusOK, response.StatusCode, path)
		require.Equal(t, "text/html; charset=utf-8", response.Header.Get("Content-Type"))
		require.Equal(t, "no-cache", response.Header.Get("Cache-Control"), "an upgraded server has other assets")
		require.Contains(t, body(t, response), "<title>Interlock GraphiQL</title>")
	}
}

func TestHandler_NotBuilt(t *testing.T) {
	handler := playground.NewHandler(fstest.MapFS{"placeholder.txt": {Data: []byte("committed\n")}})
	response := ask(handler, http.MethodGet, "/playground", nil)
	require.Equal(t, http.StatusOK, response.StatusCode)
	page := body(t, response)
	require.Contains(t, page, "<title>GraphiQL is not built</title>")
	require.Contains(t, page, "make build")
	require.Contains(t, page, "Node.js")
	for _, path := range []string{"/playground/assets/index.js", "/playground/licenses.md"} {
		require.Equal(t, http.StatusNotFound, ask(handler, http.MethodGet, path, nil).StatusCode, path)
	}
}

func TestHandler_Licenses(t *testing.T) {
	response := ask(playground.NewHandler(bundle(t)), http.MethodGet, "/playground/licenses.md", nil)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, "text/plain; charset=utf-8", response.Header.Get("Content-Type"))
	require.Equal(t, "no-cache", response.Header.Get("Cache-Control"), "its name does not change with its content")
	require.Equal(t, "# Licenses\n", body(t, response))
}

// With or without a bundle in this binary, the page is one of the two and no error.
func TestHandler_Embedded(t *testing.T) {
	response := ask(playground.Handler(), http.MethodGet, "/playground", nil)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Regexp(t, "<title>(Interlock GraphiQL|GraphiQL is not built)</title>", body(t, response))
}

func TestHandler_Assets(t *testing.T) {
	handler := playground.NewHandler(bundle(t))
	const path = "/playground/assets/index-BPsVM2M1.js"

	packed := ask(handler, http.MethodGet, path, http.Header{"Accept-Encoding": {"gzip, deflate, br"}})
	require.Equal(t, http.StatusOK, packed.StatusCode)
	require.Equal(t, "gzip", packed.Header.Get("Content-Encoding"))
	require.Equal(t, "text/javascript; charset=utf-8", packed.Header.Get("Content-Type"))
	require.Equal(t, "public, max-age=31536000, immutable", packed.Header.Get("Cache-Control"))
	require.Equal(t, "Accept-Encoding", packed.Header.Get("Vary"))
	reader, err := gzip.NewReader(packed.Body)
	require.NoError(t, err)
	unpacked, err := io.ReadAll(reader)
	require.NoError(t, err)
	require.Equal(t, script, string(unpacked))

	for _, refusal := range []http.Header{nil, {"Accept-Encoding": {"br"}}, {"Accept-Encoding": {"gzip;q=0, br"}}} {
		plain := ask(handler, http.MethodGet, path, refusal)
		require.Equal(t, http.StatusOK, plain.StatusCode)
		require.Empty(t, plain.Header.Get("Content-Encoding"))
		require.Equal(t, script, body(t, plain))
	}

	style := ask(handler, http.MethodGet, "/playground/assets/index-DtDIb3-w.css", nil)
	require.Equal(t, "text/css; charset=utf-8", style.Header.Get("Content-Type"))
}

func TestHandler_Unknown(t *testing.T) {
	handler := playground.NewHandler(bundle(t))
	for _, path := range []string{
		"/playground/assets/", "/playground/assets/other.js", "/playground/assets/folder.js",
		"/playground/assets/../index.html", "/playground/assets//index-BPsVM2M1.js", "/playground/assets/%00",
		"/playground/assets", "/playground/index.html", "/playground/placeholder.txt", "/playgrounds",
	} {
		response := ask(handler, http.MethodGet, path, nil)
		require.Equal(t, http.StatusNotFound, response.StatusCode, path)
		require.NotContains(t, response.Header.Get("Cache-Control"), "immutable", path)
	}
}

func TestHandler_DamagedAsset(t *testing.T) {
	handler := playground.NewHandler(bundle(t))
	response := ask(handler, http.MethodGet, "/playground/assets/damaged.js", nil)
	require.Equal(t, http.StatusInternalServerError, response.StatusCode)
	require.Empty(t, response.Header.Get("Cache-Control"), "a mistake must not be kept for a year")
}

func TestHandler_Methods(t *testing.T) {
	handler := playground.NewHandler(bundle(t))
	for _, path := range []string{"/playground", "/playground/assets/index-BPsVM2M1.js", "/playground/nowhere"} {
		for _, method := range []string{
			http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
		} {
			response := ask(handler, method, path, nil)
			require.Equal(t, http.StatusMethodNotAllowed, response.StatusCode, "%s %s", method, path)
			require.Equal(t, "GET, HEAD", response.Header.Get("Allow"))
		}
	}
	for _, path := range []string{"/playground", "/playground/assets/index-BPsVM2M1.js"} {
		header := http.Header{"Accept-Encoding": {"gzip"}}
		head, get := ask(handler, http.MethodHead, path, header), ask(handler, http.MethodGet, path, header)
		require.Equal(t, http.StatusOK, head.StatusCode)
		require.Equal(t, get.Header, head.Header, "HEAD says what GET would")
		require.NotEmpty(t, head.Header.Get("Content-Length"))
		require.Empty(t, body(t, head))
	}
}

// The page holds tokens, so all that it loads must come from here, and no other page may show it.
func TestHandler_Policy(t *testing.T) {
	for _, files := range []fs.FS{bundle(t), fstest.MapFS{}} {
		response := ask(playground.NewHandler(files), http.MethodGet, "/playground", nil)
		policy := response.Header.Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'")
		require.Contains(t, policy, "frame-ancestors 'none'")
		require.Contains(t, policy, "script-src 'self';", "no inline script, no eval, no other origin")
		require.NotContains(t, strings.ReplaceAll(policy, "style-src 'self' 'unsafe-inline'", ""), "unsafe")
		require.NotContains(t, policy, "http")
		require.Equal(t, "nosniff", response.Header.Get("X-Content-Type-Options"))
	}
}
