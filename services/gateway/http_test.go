package gateway_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"interlock/services/gateway"
	"interlock/services/rail"
)

func TestPost_Answers(t *testing.T) {
	w := start(t)
	r := w.ask(t, map[string]any{
		"query": `query Q($n: String) { hello(name: $n) }`, "variables": map[string]any{"n": "北京"},
		"operationName": "Q",
	})
	require.Equal(t, 200, r.status)
	require.JSONEq(t, `{"data":{"hello":"hello 北京"}}`, r.raw)
	require.Equal(t, "application/json; charset=utf-8", r.header.Get("Content-Type"))
	require.Equal(t, "nosniff", r.header.Get("X-Content-Type-Options"))
	require.Equal(t, "no-store", r.header.Get("Cache-Control"))
	require.NotEmpty(t, r.header.Get("X-Request-Id"))

	r = w.post(t, `{hello}`, "Accept", "application/graphql-response+json, application/json;q=0.9")
	require.Equal(t, "application/graphql-response+json; charset=utf-8", r.header.Get("Content-Type"))

	r = w.post(t, `{hello}`, "X-Request-Id", "proxy-1", "Upgrade", "h2c", "Connection", "Upgrade")
	require.Equal(t, 200, r.status, "an upgrade that is none of ours is ignored")
	require.Equal(t, "proxy-1", r.header.Get("X-Request-Id"))
	r = w.post(t, `{hello}`, "X-Request-Id", "two words")
	require.NotEqual(t, "two words", r.header.Get("X-Request-Id"))
}

func TestGet_QueriesOnly(t *testing.T) {
	w := start(t)
	r := w.do(t, "GET",
		"/graphql?query="+url.QueryEscape(`query($n:String){hello(name:$n)}`)+"&variables="+
			url.QueryEscape(`{"n":"x"}`), "")
	require.Equal(t, 200, r.status)
	require.JSONEq(t, `{"data":{"hello":"hello x"}}`, r.raw)

	mutation := "/graphql?query=" + url.QueryEscape(`mutation{sell(count:1)}`)
	for _, accept := range []string{"*/*", "text/event-stream"} {
		r = w.do(t, "GET", mutation, "", "Accept", accept)
		require.Equal(t, http.StatusMethodNotAllowed, r.status)
		require.Equal(t, "BAD_USER_INPUT", r.code())
	}
	require.Zero(t, w.stub.sold)
	require.Equal(t, 400, w.do(t, "GET", "/graphql?query={hello}&variables=%5B1%5D", "").status)
	require.Equal(t, 400, w.do(t, "GET", "/graphql?query=%zz", "").status)
	require.Equal(t, 400, w.do(t, "GET", "/graphql", "").status)
	require.Equal(t, 400, w.do(t, "GET", "/graphql?query="+url.QueryEscape(`subscription{ticks}`), "").status)
}

func TestPost_RefusesWhatItCannotRead(t *testing.T) {
	w := start(t, func(o *gateway.Options) { o.MaxBodyBytes = 1000 })
	for name, c := range map[string]struct {
		body, contentType, encoding string
		status                      int
	}{
		"no JSON":               {"{", "application/json", "", 400},
		"no object":             {`"x"`, "application/json", "", 400},
		"empty":                 {"", "application/json", "", 400},
		"something behind":      {`{"query":"{hello}"} x`, "application/json", "", 400},
		"query is a number":     {`{"query":5}`, "application/json", "", 400},
		"variables are a list":  {`{"query":"{hello}","variables":[1]}`, "application/json", "", 400},
		"no query":              {`{"variables":{}}`, "application/json", "", 400},
		"a form":                {"query={hello}", "application/x-www-form-urlencoded", "", 415},
		"plain text":            {`{"query":"{hello}"}`, "text/plain", "", 415},
		"no type":               {`{"query":"{hello}"}`, "", "", 415},
		"another character set": {`{"query":"{hello}"}`, "application/json; charset=gbk", "", 415},
		"compressed":            {`{"query":"{hello}"}`, "application/json", "gzip", 415},
		"too long":              {`{"query":"{hello}` + strings.Repeat(" ", 1000) + `"}`, "application/json", "", 413},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.do(t, "POST", "/graphql", c.body, "Content-Type", c.contentType, "Content-Encoding", c.encoding)
			require.Equal(t, c.status, r.status, r.raw)
			require.Equal(t, "BAD_USER_INPUT", r.code(), r.raw)
			require.NotContains(t, r.raw, "data")
		})
	}
	t.Run("too long without saying so", func(t *testing.T) {
		request, err := http.NewRequest("POST", w.url+"/graphql",
			struct{ *strings.Reader }{strings.NewReader(strings.Repeat(" ", 2000))})
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/json")
		response, err := w.client.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, 413, response.StatusCode)
	})
	for _, method := range []string{"PUT", "DELETE", "PATCH"} {
		r := w.do(t, method, "/graphql", "")
		require.Equal(t, 405, r.status)
		require.Equal(t, "GET, POST, OPTIONS", r.header.Get("Allow"))
	}
	for accept, status := range map[string]int{"application/json": 200, "application/graphql-response+json": 400} {
		r := w.do(t, "POST", "/graphql", `{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"x"}}}`,
			"Content-Type", "application/json", "Accept", accept)
		require.Equal(t, status, r.status, accept)
		require.Equal(t, "PersistedQueryNotSupported", r.Errors[0].Message)
	}
}

func TestPost_RefusesWhatMakesNoSense(t *testing.T) {
	w := start(t)
	for name, c := range map[string]struct {
		request map[string]any
		code    string
	}{
		"parse":         {map[string]any{"query": "{"}, "GRAPHQL_PARSE_FAILED"},
		"unknown field": {map[string]any{"query": "{nothing}"}, "GRAPHQL_VALIDATION_FAILED"},
		"no operation":  {map[string]any{"query": "fragment f on Query {hello}"}, "GRAPHQL_VALIDATION_FAILED"},
		"unknown operation": {
			map[string]any{"query": "query A{hello}", "operationName": "B"}, "GRAPHQL_VALIDATION_FAILED",
		},
		"unknown directive": {map[string]any{"query": "{... @later {hello}}"}, "GRAPHQL_VALIDATION_FAILED"},
		"a variable's type": {map[string]any{
			"query": "mutation($n:Int!){sell(count:$n)}", "variables": map[string]any{"n": "x"},
		}, "BAD_USER_INPUT"},
		"a missing variable": {map[string]any{"query": "mutation($n:Int!){sell(count:$n)}"}, "BAD_USER_INPUT"},
		"a circle": {
			map[string]any{"query": "{...a} fragment a on Query{...b} fragment b on Query{...a}"},
			"GRAPHQL_VALIDATION_FAILED",
		},
	} {
		t.Run(name, func(t *testing.T) {
			// Clients of application/json do not read the body of another status.
			for accept, status := range map[string]int{
				"application/graphql-response+json": 400, "application/json": 200, "*/*": 200, "": 200,
				"application/graphql-response+json, application/json;q=0.9": 400,
				"application/graphql-response+json;q=0.9, application/json": 200,
			} {
				r := w.ask(t, c.request, "Accept", accept)
				require.Equal(t, status, r.status, accept)
				require.Equal(t, c.code, r.code(), r.raw)
				require.NotContains(t, r.raw, `"data"`)
			}
			r := w.ask(t, c.request, "Accept", "text/event-stream")
			require.Equal(t, 200, r.status)
			require.Contains(t, r.raw, c.code)
			require.Contains(t, r.raw, "event: complete")
		})
	}
	require.Zero(t, w.stub.sold)
}

func TestToken(t *testing.T) {
	w := start(t)
	require.JSONEq(t, `{"data":{"who":null}}`, w.post(t, `{who}`).raw, "no token is anonymous")
	require.JSONEq(t, `{"data":{"who":null}}`, w.post(t, `{who}`, "Authorization", "").raw)
	good := w.token(t, "alice", rail.RolePassenger)
	require.JSONEq(t, `{"data":{"who":"alice"}}`, w.post(t, `{who}`, "Authorization", "bearer "+good).raw)
	require.JSONEq(t, `{"data":{"who":"alice"}}`,
		w.do(t, "GET", "/graphql?query={who}", "", "Authorization", "Bearer "+good).raw)

	expired, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": "alice", "exp": time.Now().Add(-time.Minute).Unix(),
	}).SignedString(secret)
	require.NoError(t, err)
	forged, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": "alice", "exp": time.Now().Add(time.Hour).Unix(),
	}).SignedString([]byte(strings.Repeat("x", 32)))
	require.NoError(t, err)
	for name, authorization := range map[string]string{
		"expired": "Bearer " + expired, "forged": "Bearer " + forged, "rubbish": "Bearer x.y.z",
		"basic":   "Basic " + good,
		"nothing": "Bearer ", "bare": good,
	} {
		t.Run(name, func(t *testing.T) {
			r := w.post(t, `mutation{sell(count:1)}`, "Authorization", authorization)
			require.Equal(t, 401, r.status)
			require.Equal(t, "UNAUTHENTICATED", r.code())
			require.Contains(t, r.header.Get("WWW-Authenticate"), "Bearer")
			require.NotContains(t, r.raw, "signature")
		})
	}
	require.Equal(t, "the token has expired", w.post(t, `{who}`, "Authorization", "Bearer "+expired).Errors[0].Message)
	r := w.do(t, "POST", "/graphql", `{"query":"{who}"}`, "Content-Type", "application/json", "Authorization",
		"Bearer "+good, "Authorization", "Bearer "+good)
	require.Equal(t, 401, r.status, "two tokens are none")
	require.Zero(t, w.stub.sold)
}

func TestOrigin(t *testing.T) {
	w := start(t, func(o *gateway.Options) {
		o.AllowedOrigins = []string{"https://tickets.example.com", "http://localhost:3000/"}
	})
	for origin, allowed := range map[string]bool{
		"":                                  true,
		"http://" + w.host:                  true,
		"https://" + w.host:                 true,
		"https://tickets.example.com":       true,
		"HTTPS://TICKETS.example.com":       true,
		"http://localhost:3000":             true,
		"http://tickets.example.com":        false,
		"https://evil.example.com":          false,
		"https://tickets.example.com.evil":  false,
		"https://tickets.example.com:8443":  false,
		"null":                              false,
		"https://evil@tickets.example.com%": false,
	} {
		var headers []string
		if origin != "" {
			headers = []string{"Origin", origin}
		}
		r := w.post(t, `mutation{sell(count:1)}`, headers...)
		preflight := w.do(t, "OPTIONS", "/graphql", "", append(headers, "Access-Control-Request-Method", "POST",
			"Access-Control-Request-Headers", "authorization,content-type")...)
		if !allowed {
			require.Equal(t, 403, r.status, origin)
			require.Equal(t, "FORBIDDEN", r.code())
			require.Empty(t, r.header.Get("Access-Control-Allow-Origin"))
			require.Equal(t, 403, preflight.status)
			require.Empty(t, preflight.header.Get("Access-Control-Allow-Origin"))
			continue
		}
		if origin == "" {
			require.Equal(t, 200, r.status)
			require.Equal(t, 204, preflight.status)
			continue
		}
		require.Equal(t, 200, r.status, origin)
		require.Equal(t, origin, r.header.Get("Access-Control-Allow-Origin"))
		require.Contains(t, r.header.Values("Vary"), "Origin")
		require.Equal(t, 204, preflight.status)
		require.Equal(t, origin, preflight.header.Get("Access-Control-Allow-Origin"))
		require.Equal(t, "POST", preflight.header.Get("Access-Control-Allow-Methods"))
		require.Equal(t, "authorization,content-type", preflight.header.Get("Access-Control-Allow-Headers"))
		require.Equal(t, "7200", preflight.header.Get("Access-Control-Max-Age"))
		require.Equal(t, "Retry-After, Ratelimit, Ratelimit-Policy, X-Request-Id", r.header.Get("Access-Control-Expose-Headers"))
		require.Empty(t, r.header.Get("Access-Control-Allow-Credentials"))
	}
	require.Equal(t, 6, w.stub.sold)
	r := w.do(t, "OPTIONS", "/graphql", "", "Origin", "http://"+w.host, "Access-Control-Request-Method", "DELETE")
	require.Empty(t, r.header.Get("Access-Control-Allow-Methods"))
	require.Equal(t, 403, w.post(t, `{hello}`, "Origin", "http://"+w.host, "Origin", "https://evil.example.com").status,
		"two origins are none")
	plain := w.do(t, "OPTIONS", "/graphql", "")
	require.Equal(t, 204, plain.status)
	require.Equal(t, "GET, POST, OPTIONS", plain.header.Get("Allow"))
	// An image or a link of a foreign page sends no Origin.
	require.Equal(t, 403, w.do(t, "GET", "/graphql?query={hello}", "", "Sec-Fetch-Site", "cross-site").status)
	require.Equal(t, 200, w.do(t, "GET", "/graphql?query={hello}", "", "Sec-Fetch-Site", "same-origin").status)
	require.Equal(t, 200, w.do(t, "GET", "/graphql?query={hello}", "", "Sec-Fetch-Site", "none").status)
}

// A page of an allowed origin may send what its clients and tracers add, and reads what a refusal says of its request.
func TestOrigin_RequestHeaders(t *testing.T) {
	const origin = "https://tickets.example.com"
	w := start(t, func(o *gateway.Options) { o.AllowedOrigins = []string{origin} })
	names := func(n, bytes int) string { return strings.Repeat(","+strings.Repeat("x", bytes), n)[1:] }
	for asked, allowed := range map[string]bool{
		"": true,
		"accept,apollo-require-preflight,apollographql-client-name,apollographql-client-version,authorization," +
			"baggage,cache-control,content-type,last-event-id,sentry-trace,traceparent,tracestate," +
			"x-apollo-operation-id,x-apollo-operation-name,x-request-id": true,
		"content-type, authorization": true,
		"x-surprise":                  true,
		"X-Surprise,x-surprise":       true,
		names(64, 128):                true,
		names(65, 1):                  false,
		names(1, 129):                 false,
		names(1, 20_000):              false,
		strings.Repeat(",", 64):       false,
	} {
		preflight := []string{"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", asked, "Origin"}
		r := w.do(t, "OPTIONS", "/graphql", "", append(preflight, origin)...)
		if allowed {
			require.Equal(t, 204, r.status, asked)
			require.Equal(t, asked, r.header.Get("Access-Control-Allow-Headers"))
			require.Equal(t, origin, r.header.Get("Access-Control-Allow-Origin"))
			require.Contains(t, r.header.Get("Vary"), "Access-Control-Request-Headers")
		} else {
			require.Equal(t, 400, r.status, asked)
			require.Equal(t, "BAD_USER_INPUT", r.code())
			require.Contains(t, r.Errors[0].Message, "up to 64 names of headers, each of up to 128 bytes")
			require.Empty(t, r.header.Get("Access-Control-Allow-Headers"))
			require.Empty(t, r.header.Get("Access-Control-Allow-Origin"))
		}
		r = w.do(t, "OPTIONS", "/graphql", "", append(preflight, "https://evil.example.com")...)
		require.Equal(t, 403, r.status, asked)
		require.Empty(t, r.header.Get("Access-Control-Allow-Headers"))
	}
	lists := []string{"Origin", origin, "Access-Control-Request-Method", "POST"}
	for range 65 {
		lists = append(lists, "Access-Control-Request-Headers", "x")
	}
	require.Equal(t, 400, w.do(t, "OPTIONS", "/graphql", "", lists...).status, "all lists count together")

	for name, r := range map[string]*reply{
		"an answer":             w.post(t, `{hello}`, "Origin", origin),
		"a foreign token":       w.post(t, `{hello}`, "Origin", origin, "Authorization", "Bearer x"),
		"nothing acceptable":    w.post(t, `{hello}`, "Origin", origin, "Accept", "text/html"),
		"no JSON":               w.do(t, "POST", "/graphql", "x", "Origin", origin),
		"a stream":              w.post(t, `subscription{whoever}`, "Origin", origin, "Accept", "text/event-stream"),
		"an unreadable request": w.do(t, "GET", "/graphql?query=%zz", "", "Origin", origin),
	} {
		require.Equal(t, origin, r.header.Get("Access-Control-Allow-Origin"), name)
		require.Equal(t, "Retry-After, Ratelimit, Ratelimit-Policy, X-Request-Id", r.header.Get("Access-Control-Expose-Headers"), name)
		require.NotEmpty(t, r.header.Get("X-Request-Id"), name)
	}
}

func TestOrigin_Settings(t *testing.T) {
	w := prepare(t)
	for _, bad := range []string{"tickets.example.com", "https://a/b", "ftp://a", "https://*.example.com/x", ""} {
		_, err := gateway.New(gateway.Options{Schema: w.stub, Identity: w.tokens, AllowedOrigins: []string{bad}})
		require.Error(t, err, bad)
	}
	open := start(t, func(o *gateway.Options) { o.AllowedOrigins = []string{"*"} })
	require.Equal(t, 200, open.post(t, `{hello}`, "Origin", "https://anybody.example.com").status)
}

func TestErrors_SayNothingOfTheInside(t *testing.T) {
	w := start(t)
	for _, how := range []string{"plain", "wrapped", "internal"} {
		r := w.post(t, `query Rush { fails(how: "`+how+`") }`, "X-Request-Id", "id-"+how)
		require.Equal(t, 200, r.status)
		require.Equal(t, "INTERNAL", r.code())
		require.Equal(t, gateway.InternalText, r.Errors[0].Message)
		require.Equal(t, "id-"+how, r.Errors[0].Extensions["requestId"])
		require.Equal(t, []any{"fails"}, r.Errors[0].Path)
		require.NotContains(t, r.raw, "hunter2")
		require.JSONEq(t, `null`, string(r.Data["fails"]))
	}
	require.Equal(t, 3, strings.Count(w.log.String(), "hunter2"), "each is logged once: %s", w.log)
	require.Contains(t, w.log.String(), "operation=Rush")
	require.Contains(t, w.log.String(), "request_id=id-plain")
}

func TestErrors_Panic(t *testing.T) {
	w := start(t)
	r := w.post(t, `{panics hello}`, "X-Request-Id", "p")
	require.Equal(t, 200, r.status)
	require.Equal(t, "INTERNAL", r.code())
	require.JSONEq(t, `"hello"`, string(r.Data["hello"]), "the rest is answered")
	require.NotContains(t, r.raw, "hunter2")
	require.Equal(t, 1, strings.Count(w.log.String(), "a request panicked"), w.log)
	require.Contains(t, w.log.String(), "stub_test.go", "the stack leads to the place")
	require.Equal(t, 200, w.post(t, `{hello}`).status)
}

func TestErrors_Codes(t *testing.T) {
	w := start(t)
	r := w.post(t, `{fails(how: "overloaded")}`)
	require.Equal(t, "OVERLOADED", r.code())
	require.Equal(t, "the queue is full", r.Errors[0].Message)
	require.EqualValues(t, 250, r.Errors[0].Extensions["retryAfterMs"])
	require.NotContains(t, r.raw, "hunter2")

	r = w.post(t, `{fails(how: "path")}`)
	require.Equal(t, "BAD_USER_INPUT", r.code())
	require.Equal(t, "no such station", r.Errors[0].Message)
	require.Equal(t, []any{"from", "0"}, r.Errors[0].Extensions["path"])

	r = w.post(t, `{typed(date: "rubbish")}`)
	require.Equal(t, "BAD_USER_INPUT", r.code(), "what a scalar says of an argument is for the client")
	require.Equal(t, "not a date", r.Errors[0].Message)

	r = w.post(t, `{fails(how: "several")}`)
	require.Len(t, r.Errors, 2)
	require.Equal(t, "first", r.Errors[0].Message)
	require.Equal(t, "second", r.Errors[1].Message)
	require.Equal(t, []any{"fails"}, r.Errors[0].Path)
}

func TestLimits_Documents(t *testing.T) {
	w := start(t, func(o *gateway.Options) { o.ComplexityLimit = 1000; o.TokenLimit = 3000; o.DepthLimit = 8 })
	nested := func(n int) string { return "{" + strings.Repeat("deep{", n-1) + "name" + strings.Repeat("}", n) }
	lists := func(n int, first string) string {
		var all strings.Builder
		for i := range n {
			fmt.Fprintf(&all, "a%d:list(of:1,%s){name deep{name}} ", i, first)
		}
		return "{" + all.String() + "}"
	}
	var many, doubling, deepFragments strings.Builder
	for i := range 501 {
		fmt.Fprintf(&many, "a%d:hello ", i)
	}
	doubling.WriteString("{...f0}")
	for i := range 40 {
		fmt.Fprintf(&doubling, "fragment f%d on Query{...f%d ...f%d}", i, i+1, i+1)
	}
	doubling.WriteString("fragment f40 on Query{hello}")
	deepFragments.WriteString("{deep{...f0}}")
	for i := range 7 {
		fmt.Fprintf(&deepFragments, "fragment f%d on Deep{deep{...f%d}}", i, i+1)
	}
	deepFragments.WriteString("fragment f7 on Deep{name}")

	for name, c := range map[string]struct{ query, code string }{
		"as deep as may be":     {nested(8), ""},
		"too deep":              {nested(9), "DEPTH_LIMIT_EXCEEDED"},
		"too deep by fragments": {deepFragments.String(), "DEPTH_LIMIT_EXCEEDED"},
		"too deep inline": {
			"{deep{" + strings.Repeat("...on Deep{deep{", 8) + "name" + strings.Repeat("}}", 8) + "}}",
			"DEPTH_LIMIT_EXCEEDED",
		},
		"too dear":               {"{list(first:500){name deep{name}}}", "COMPLEXITY_LIMIT_EXCEEDED"},
		"dear enough":            {"{list(first:300){name deep{name}}}", ""},
		"too dear by a default":  {lists(7, ""), "COMPLEXITY_LIMIT_EXCEEDED"},
		"too dear by a null":     {lists(7, "first:null"), "COMPLEXITY_LIMIT_EXCEEDED"},
		"dear enough by a null":  {lists(6, "first:null"), ""},
		"too many aliases":       {"{" + many.String() + "}", "COMPLEXITY_LIMIT_EXCEEDED"},
		"too often the same":     {"{" + strings.Repeat("hello ", 17) + "}", "COMPLEXITY_LIMIT_EXCEEDED"},
		"often the same":         {"{" + strings.Repeat("hello ", 16) + "}", ""},
		"fragments that double":  {doubling.String(), "COMPLEXITY_LIMIT_EXCEEDED"},
		"too many tokens":        {"{hello(name:[" + strings.Repeat("1 ", 3000) + "])}", "GRAPHQL_PARSE_FAILED"},
		"deep introspection":     {"{__schema{types{fields{type{ofType{ofType{ofType{ofType{ofType{name}}}}}}}}}}", ""},
		"a circle of fragments":  {"{deep{...a}} fragment a on Deep{deep{...a}}", "GRAPHQL_VALIDATION_FAILED"},
		"a fragment unknown":     {"{...nothing}", "GRAPHQL_VALIDATION_FAILED"},
		"unused, and too deep":   {"{hello} fragment a on Query" + nested(9), "GRAPHQL_VALIDATION_FAILED"},
		"two, the second dear":   {"query A{hello} query B" + nested(9), "DEPTH_LIMIT_EXCEEDED"},
		"rubbish over the depth": {strings.Repeat("{a", 600), "GRAPHQL_PARSE_FAILED"},
	} {
		t.Run(name, func(t *testing.T) {
			request := map[string]any{"query": c.query}
			if strings.HasPrefix(c.query, "query A") {
				request["operationName"] = "A"
			}
			// The second time a document may come out of the cache, which must not change its fate.
			for range 2 {
				r := w.ask(t, request)
				require.Equal(t, c.code, r.code(), r.raw)
				require.LessOrEqual(t, len(r.Errors), 20)
				require.Equal(t, 200, r.status)
				require.Equal(t, c.code == "", r.Data != nil)
			}
		})
	}
	r := w.post(t, "{"+strings.Repeat("nothing{a b c} ", 16)+strings.Repeat("nought ", 16)+"}")
	require.Len(t, r.Errors, 20, "nobody reads more")
}

func TestLimits_OperationTimeout(t *testing.T) {
	w := start(t, func(o *gateway.Options) { o.OperationTimeout = 20 * time.Millisecond })
	r := w.post(t, `{slow}`)
	require.Equal(t, 200, r.status, "it was executed")
	require.Equal(t, "UNAVAILABLE", r.code())
	require.Contains(t, r.raw, "retryAfterMs")
}

func TestLimits_InFlight(t *testing.T) {
	w := start(t, func(o *gateway.Options) { o.MaxInFlight = 1; o.OperationTimeout = 10 * time.Second })
	request, err := http.NewRequestWithContext(t.Context(), "GET", w.url+"/graphql?query={slow}", nil)
	require.NoError(t, err)
	ctx, cancel := contextWithCancel(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		response, err := w.client.Do(request.WithContext(ctx))
		if err == nil {
			_ = response.Body.Close()
		}
	}()
	<-w.stub.entered
	r := w.post(t, `{hello}`)
	require.Equal(t, 503, r.status)
	require.Equal(t, "OVERLOADED", r.code())
	require.Equal(t, "1", r.header.Get("Retry-After"))
	cancel()
	<-done
	require.Eventually(t, func() bool { return w.post(t, `{hello}`).status == 200 }, 5*time.Second, time.Millisecond)
}
