package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// ways send the same request over each transport. An answer is the data of the echo as JSON, or a refusal's code and
// message.
type ways struct {
	w     *world
	phone *phone
	last  int
}

func (a *ways) ask(t *testing.T, way, query, variables string) (data, code, message string) {
	t.Helper()
	text, err := json.Marshal(query)
	require.NoError(t, err)
	request := `{"query":` + string(text) + `,"variables":` + variables + `}`
	var r *reply
	switch way {
	case "POST":
		r = a.w.do(t, "POST", "/graphql", request, "Content-Type", "application/json",
			"Accept", "application/graphql-response+json")
	case "GET":
		r = a.w.do(t, "GET", "/graphql?query="+url.QueryEscape(query)+"&variables="+url.QueryEscape(variables), "",
			"Accept", "application/graphql-response+json")
	default:
		a.last++
		id := fmt.Sprint(a.last)
		a.phone.write(t, `{"type":"subscribe","id":"`+id+`","payload":`+request+`}`)
		m, err := a.phone.read(t)
		require.NoError(t, err)
		require.Equal(t, id, m.ID)
		if m.Type == "error" {
			var errs []graphqlError
			require.NoError(t, json.Unmarshal(m.Payload, &errs), "%s", m.Payload)
			code, _ := errs[0].Extensions["code"].(string)
			return "", code, errs[0].Message
		}
		require.Equal(t, "next", m.Type)
		r = &reply{status: http.StatusOK}
		require.NoError(t, json.Unmarshal(m.Payload, r))
		a.phone.want(t, "complete", id, "")
	}
	if r.status == http.StatusOK {
		require.Empty(t, r.Errors)
		return string(r.Data["echo"]), "", ""
	}
	require.Equal(t, http.StatusBadRequest, r.status, r.raw)
	require.Nil(t, r.Data)
	return "", r.code(), r.Errors[0].Message
}

// write sends a message as it is.
func (p *phone) write(t *testing.T, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, p.conn.Write(ctx, websocket.MessageText, []byte(text)))
}

// The table of the specification's input coercion. It has for each type a value in JSON, the same value as a literal
// ("" where there is none), and the coerced value ("" is a refusal).
func TestInputs_AsTheSpecificationCoercesThem(t *testing.T) {
	w := start(t)
	a := &ways{w: w, phone: w.call(t, nil)}
	for _, c := range []struct{ argument, kind, json, literal, want string }{
		{"int", "Int", `5`, `5`, `5`},
		{"int", "Int", `-0`, `-0`, `0`},
		{"int", "Int", `2147483647`, `2147483647`, `2147483647`},
		{"int", "Int", `-2147483648`, `-2147483648`, `-2147483648`},
		{"int", "Int", `null`, `null`, `null`},
		{"int", "Int", `2147483648`, `2147483648`, ""},
		{"int", "Int", `-2147483649`, `-2147483649`, ""},
		{"int", "Int", `9223372036854775808`, `9223372036854775808`, ""},
		{"int", "Int", `5.5`, `5.5`, ""},
		{"int", "Int", `5.0`, `5.0`, ""},
		{"int", "Int", `5e0`, `5e0`, ""},
		{"int", "Int", `"5"`, `"5"`, ""},
		{"int", "Int", `true`, `true`, ""},
		{"int", "Int", `[5]`, `[5]`, ""},
		{"int", "Int", `{}`, `{}`, ""},
		{"int", "Int!", `null`, "", ""},
		{"sure", "Int!", `null`, `null`, ""},
		{"sure", "Int", `null`, "", ""}, // what is given goes past the default
		{"sure", "Int", `8`, "", `8`},
		{"often", "Int", `null`, `null`, `9`}, // a null means the default
		{"often", "Int", `8`, `8`, `8`},

		{"float", "Float", `5.5`, `5.5`, `5.5`},
		{"float", "Float", `5`, `5`, `5`},
		{"float", "Float", `1e3`, `1e3`, `1000`},
		{"float", "Float", `1e999`, `1e999`, ""},
		{"float", "Float", `"5.5"`, `"5.5"`, ""},
		{"float", "Float", `"NaN"`, `"NaN"`, ""},
		{"float", "Float", `true`, `true`, ""},

		{"text", "String", `"x"`, `"x"`, `"x"`},
		{"text", "String", `""`, `""""""`, `""`},
		{"text", "String", `"😀"`, `"\uD83D\uDE00"`, `"😀"`},
		{"text", "String", `"\ud83d\ude00"`, `"\u{1F600}"`, `"😀"`},
		{"text", "String", `"\\ud800"`, `"\\ud800"`, `"\\ud800"`},
		{"text", "String", `"\\ud800"`, `"""\ud800"""`, `"\\ud800"`},
		{"text", "String", `5`, `5`, ""},
		{"text", "String", `5.5`, `5.5`, ""},
		{"text", "String", `true`, `true`, ""},
		{"text", "String", `["x"]`, `["x"]`, ""},
		{"text", "String", `{"x":1}`, `{x: 1}`, ""},
		{"text", "String", `{}`, `{}`, ""},
		{"text", "String", "", `x`, ""},

		{"id", "ID", `"x"`, `"x"`, `"x"`},
		{"id", "ID", `5`, `5`, `"5"`},
		{"id", "ID", `12345678901234567890`, "", `"12345678901234567890"`},
		{"id", "ID", `5.5`, `5.5`, ""},
		{"id", "ID", `5e1`, `5e1`, ""},
		{"id", "ID", `true`, `true`, ""},
		{"id", "ID", `["x"]`, `["x"]`, ""},
		{"id", "ID", `{}`, `{}`, ""},

		{"truth", "Boolean", `true`, `true`, `true`},
		{"truth", "Boolean", `false`, `false`, `false`},
		{"truth", "Boolean", `"true"`, `"true"`, ""},
		{"truth", "Boolean", `1`, `1`, ""},
		{"truth", "Boolean", `0.0`, `0.0`, ""},

		{"day", "Day", `"2026-01-02"`, `"2026-01-02"`, `"2026-01-02"`},
		{"day", "Day", `5`, `5`, ""},
		{"day", "Day", `5.5`, `5.5`, ""},
		{"day", "Day", `true`, `true`, ""},
		{"day", "Day", `["2026-01-02"]`, `["2026-01-02"]`, ""},
		{"day", "Day", `{"x":1}`, `{x: 1}`, ""},
		{"day", "Day", "", `MONDAY`, ""},

		{"color", "Color", `"RED"`, `RED`, `"RED"`},
		{"color", "Color", `"red"`, `red`, ""},
		{"color", "Color", `"BLUE"`, `BLUE`, ""},
		{"color", "Color", `0`, `0`, ""},
		{"color", "Color", `true`, `true`, ""},
		{"color", "Color", `{}`, `{}`, ""},
		{"color", "Color", "", `"RED"`, ""},

		{"ints", "[Int!]", `[1,2]`, `[1,2]`, `[1,2]`},
		{"ints", "[Int!]", `[]`, "", `[]`},
		{"ints", "[Int!]", `null`, `null`, `null`},
		{"ints", "[Int!]", `[1,null]`, `[1,null]`, ""},
		{"ints", "[Int!]", `[1,"2"]`, `[1,"2"]`, ""},
		{"ints", "[Int!]", `[1,[2]]`, `[1,[2]]`, ""},
		{"ints", "[Int!]", `"1"`, `"1"`, ""},
		{"days", "[Day]", `["x",null]`, `["x",null]`, `["x",null]`},
		{"days", "[Day]", `["x",5]`, `["x",5]`, ""},

		{"one", "One", `{"a":5}`, `{a: 5}`, `{"a":5}`},
		{"one", "One", `{"b":"x"}`, `{b: "x"}`, `{"b":"x"}`},
		{"one", "One", `{"a":5,"b":"x"}`, `{a: 5, b: "x"}`, ""},
		{"one", "One", `{"a":5,"b":null}`, `{a: 5, b: null}`, ""},
		{"one", "One", `{"a":null}`, `{a: null}`, ""},
		{"one", "One", `{}`, `{}`, ""},
		{"one", "One", `{"c":5}`, `{c: 5}`, ""},
		{"one", "One", `{"a":"5"}`, `{a: "5"}`, ""},
		{"one", "One", `"a"`, `"a"`, ""},

		{
			"whole", "Whole", `{"name":"x","size":2,"colors":["RED"],"days":["d"],"one":{"a":1},"whole":{"name":"y"}}`,
			`{name: "x", size: 2, colors: [RED], days: ["d"], one: {a: 1}, whole: {name: "y"}}`,
			`{"name":"x","size":2,"colors":["RED"],"days":["d"],"one":{"a":1},"whole":{"name":"y"}}`,
		},
		{"whole", "Whole", `{"name":"x","one":null}`, `{name: "x", one: null}`, `{"name":"x","one":null}`},
		{"whole", "Whole", `{"name":"x","times":2}`, `{name: "x", times: 2}`, `{"name":"x","times":2}`},
		{"whole", "Whole", `{"name":"x","times":null}`, `{name: "x", times: null}`, `{"name":"x"}`},
		{
			"whole", "Whole", `{"name":"x","whole":{"name":"y","times":null}}`,
			`{name: "x", whole: {name: "y", times: null}}`, `{"name":"x","whole":{"name":"y"}}`,
		},
		{"whole", "Whole", `{"name":5}`, `{name: 5}`, ""},
		{"whole", "Whole", `{}`, `{}`, ""},
		{"whole", "Whole", `{"name":null}`, `{name: null}`, ""},
		{"whole", "Whole", `{"name":"x","size":null}`, `{name: "x", size: null}`, ""},
		{"whole", "Whole", `{"name":"x","size":"2"}`, `{name: "x", size: "2"}`, ""},
		{"whole", "Whole", `{"name":"x","size":2147483648}`, `{name: "x", size: 2147483648}`, ""},
		{"whole", "Whole", `{"name":"x","extra":1}`, `{name: "x", extra: 1}`, ""},
		{"whole", "Whole", `{"name":"x","Size":1}`, `{name: "x", Size: 1}`, ""},
		{"whole", "Whole", `{"name":"x","__typename":"Whole"}`, `{name: "x", __typename: "Whole"}`, ""},
		{"whole", "Whole", `{"name":"x","colors":["red"]}`, `{name: "x", colors: [red]}`, ""},
		{"whole", "Whole", `{"name":"x","days":[5]}`, `{name: "x", days: [5]}`, ""},
		{"whole", "Whole", `{"name":"x","one":{"a":1,"b":"y"}}`, `{name: "x", one: {a: 1, b: "y"}}`, ""},
		{
			"whole", "Whole", `{"name":"x","whole":{"name":"y","one":{}}}`, `{name: "x", whole: {name: "y", one: {}}}`,
			"",
		},
		{"whole", "Whole", `[]`, "", ""},
		{"whole", "Whole", `"x"`, `"x"`, ""},
		{"whole", "Whole", `5`, `5`, ""},
	} {
		for _, way := range []string{"POST", "GET", "WebSocket"} {
			check := func(name, query, variables string) {
				t.Run(strings.Join([]string{c.argument, way, name}, " "), func(t *testing.T) {
					data, code, message := a.ask(t, way, query, variables)
					if c.want == "" {
						require.Equal(t, "BAD_USER_INPUT", code, "%s%s", data, message)
						if variables != "{}" {
							require.True(t, strings.HasPrefix(message, "$v"), message)
						}
						return
					}
					require.Empty(t, code, message)
					var echo map[string]json.RawMessage
					require.NoError(t, json.Unmarshal([]byte(data), &echo))
					require.JSONEq(t, c.want, string(echo[c.argument]))
				})
			}
			if c.json != "" {
				check(c.kind+" = "+c.json, "query($v:"+c.kind+"){echo("+c.argument+":$v)}", `{"v":`+c.json+`}`)
			}
			if c.literal != "" {
				check(c.literal, "{echo("+c.argument+":"+c.literal+")}", "{}")
				if c.kind != "Int!" && c.literal != "null" {
					check("default "+c.literal, "query($v:"+c.kind+"="+c.literal+"){echo("+c.argument+":$v)}", "{}")
				}
			}
		}
	}
}

func TestInputs_OneForAList(t *testing.T) {
	w := start(t)
	a := &ways{w: w, phone: w.call(t, nil)}
	for _, way := range []string{"POST", "GET", "WebSocket"} {
		data, _, message := a.ask(t, way, `query($v:[Int!],$w:Whole){echo(ints:$v,whole:$w)}`,
			`{"v":5,"w":{"name":"x","colors":"RED"}}`)
		require.Empty(t, message)
		require.JSONEq(t, `{"ints":[5],"whole":{"name":"x","colors":["RED"]},"sure":7,"often":9}`, data)
	}
}

// A variable inside a literal is checked at its place there.
func TestInputs_VariablesInLiterals(t *testing.T) {
	w := start(t)
	a := &ways{w: w, phone: w.call(t, nil)}
	for name, c := range map[string]struct{ query, variables, says string }{
		"a null member of one":          {`query($v:Int){echo(one:{a:$v})}`, `{"v":null}`, "must be non-nullable"},
		"a member of one that is given": {`query($v:Int!){echo(one:{a:$v})}`, `{"v":5}`, ""},
		"two members of one":            {`query($v:Int!){echo(one:{a:$v,b:"x"})}`, `{"v":5}`, "exactly one key"},
		"null where a default stands": {
			`query($v:Int){echo(whole:{name:"x",size:$v})}`, `{"v":null}`, "$v must not be null where Int! is wanted",
		},
		"nothing where a default is": {`query($v:Int){echo(whole:{name:"x",size:$v})}`, `{}`, ""},
		"null past its own default": {
			`query($v:Int=3){echo(sure:$v)}`, `{"v":null}`, "$v must not be null where Int! is wanted",
		},
		"null in a fragment": {
			`query($v:Int){...f} fragment f on Query{echo(sure:$v)}`, `{"v":null}`, "$v must not be null",
		},
		"null in a directive": {
			`query($v:Boolean=true){echo @include(if:$v)}`, `{"v":null}`, "$v must not be null",
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, way := range []string{"POST", "GET", "WebSocket"} {
				// The second time the document may come out of the cache.
				for range 2 {
					_, code, message := a.ask(t, way, c.query, c.variables)
					if c.says == "" {
						require.Empty(t, code, message)
						continue
					}
					require.NotEmpty(t, code)
					require.Contains(t, message, c.says)
				}
			}
		})
	}
}

// A null that stands where a default is means the default, wherever it stands. What is cached stays as it was sent.
func TestInputs_NullMeansTheDefault(t *testing.T) {
	w := start(t)
	a := &ways{w: w, phone: w.call(t, nil)}
	const echo = `{echo(whole:{name:"x",times:$v},often:$v)}`
	for name, c := range map[string]struct{ query, variables, whole, often string }{
		"given":               {`query($v:Int)` + echo, `{"v":5}`, `{"name":"x","times":5}`, `5`},
		"null":                {`query($v:Int)` + echo, `{"v":null}`, `{"name":"x"}`, `9`},
		"absent":              {`query($v:Int)` + echo, `{}`, `{"name":"x"}`, `9`},
		"its default is null": {`query($v:Int=null)` + echo, `{}`, `{"name":"x"}`, `9`},
		"it has a default":    {`query($v:Int=4)` + echo, `{}`, `{"name":"x","times":4}`, `4`},
		"null past a default": {`query($v:Int=4)` + echo, `{"v":null}`, `{"name":"x"}`, `9`},
		"in a default": {
			`query($w:Whole={name:"x",times:null}){echo(whole:$w)}`, `{}`, `{"name":"x"}`, `9`,
		},
		"past a default with a null": {
			`query($w:Whole={name:"x",times:null}){echo(whole:$w)}`, `{"w":{"name":"x","times":2}}`,
			`{"name":"x","times":2}`, `9`,
		},
		"in a fragment": {
			`query($v:Int){...a} fragment a on Query{...b} fragment b on Query{...on Query` + echo + `}`, `{"v":null}`,
			`{"name":"x"}`, `9`,
		},
		"beside others": {
			`query($v:Int,$n:String!){echo(whole:{times:$v,name:$n,size:2,whole:{times:null,name:"y"}},int:$v,often:null)}`,
			`{"v":null,"n":"x"}`, `{"name":"x","size":2,"whole":{"name":"y"}}`, `9`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, way := range []string{"POST", "GET", "WebSocket"} {
				// The second time the document may come out of the cache.
				for range 2 {
					data, code, message := a.ask(t, way, c.query, c.variables)
					require.Empty(t, code, message)
					var echo map[string]json.RawMessage
					require.NoError(t, json.Unmarshal([]byte(data), &echo))
					require.JSONEq(t, c.whole, string(echo["whole"]))
					require.JSONEq(t, c.often, string(echo["often"]))
				}
			}
		})
	}
}

// The nulls of one request are not those of the next, though both have one document.
func TestInputs_NullOfOneRequest(t *testing.T) {
	w := start(t)
	const query = `query($v:Int){echo(often:$v)}`
	for _, c := range []struct {
		v    any
		want string
	}{{5, `"often":5`}, {nil, `"often":9`}, {6, `"often":6`}, {nil, `"often":9`}} {
		r := w.ask(t, map[string]any{"query": query, "variables": map[string]any{"v": c.v}})
		require.Empty(t, r.code())
		require.Contains(t, strings.ReplaceAll(r.raw, `\"`, `"`), c.want)
	}
}

func TestInputs_SayWhereAndNotWhat(t *testing.T) {
	w := start(t)
	r := w.ask(t, map[string]any{"query": `query($w:Whole){echo(whole:$w)}`, "variables": map[string]any{
		"w": map[string]any{"name": "x", "whole": map[string]any{"name": "x", "colors": []any{"RED", "Alice Liddell"}}},
	}})
	require.Equal(t, "BAD_USER_INPUT", r.code())
	require.Equal(t, "$w.whole.colors[1] must be one of the values of Color", r.Errors[0].Message)
	require.Equal(t, []any{"variable", "w", "whole", "colors", 1.0}, r.Errors[0].Path)
	require.NotContains(t, r.raw, "Alice")
	r = w.ask(t, map[string]any{"query": `query($i:Int){echo(int:$i)}`, "variables": map[string]any{"i": "5"}})
	require.Equal(t, "$i must be an integer between -2147483648 and 2147483647 (Int), not a string",
		r.Errors[0].Message)
}

// JSON that encoding/json would read in a way of its own is refused, and nothing is executed.
func TestInputs_RequestsAsTheyAreWritten(t *testing.T) {
	w, whole := start(t), t
	phone := w.call(t, nil)
	const sell = `"query":"mutation($n:Int!){sell(count:$n)}"`
	last := 0
	for name, c := range map[string]struct{ request, says string }{
		"a key in another case":     {`{"Query":"mutation{sell(count:1)}"}`, `"Query" is spelled "query"`},
		"variables in another case": {`{` + sell + `,"VARIABLES":{"n":1}}`, `"VARIABLES" is spelled "variables"`},
		"both cases": {
			`{"query":"{hello}","QUERY":"mutation{sell(count:1)}"}`, `"QUERY" is spelled "query"`,
		},
		"a name in another case": {
			`{"query":"mutation{sell(count:1)}","operationname":"x"}`, `"operationname" is spelled "operationName"`,
		},
		"two queries": {
			`{"query":"{hello}","query":"mutation{sell(count:1)}"}`, "a name occurs twice at /query",
		},
		"two queries, one escaped": {
			`{"query":"{hello}","qu\u0065ry":"mutation{sell(count:1)}"}`, "a name occurs twice",
		},
		"two values of a variable": {
			`{` + sell + `,"variables":{"n":1,"n":2}}`, "a name occurs twice at /variables/n",
		},
		"two of something unused": {
			`{` + sell + `,"variables":{"n":1},"extensions":{"x":{"y":1,"y":1}}}`,
			"a name occurs twice at /extensions/x/y",
		},
		"half a surrogate pair": {
			`{` + sell + `,"variables":{"n":1,"x":"Li\ud800"}}`, "invalid surrogate pair at /variables/x",
		},
		"the other half":        {`{` + sell + `,"variables":{"n":1,"x":"Li\udc00"}}`, "at /variables/x"},
		"two first halves":      {`{` + sell + `,"variables":{"n":1,"x":"\ud800\ud800"}}`, "at /variables/x"},
		"half a pair in a name": {`{` + sell + `,"variables":{"n":1,"\ud800":1}}`, "surrogate"},
		"broken UTF-8":          {`{` + sell + `,"variables":{"n":1,"x":"Li` + "\xff" + `"}}`, "invalid UTF-8"},
		"a surrogate in UTF-8": {
			`{` + sell + `,"variables":{"n":1,"x":"` + "\xed\xa0\x80" + `"}}`, "invalid UTF-8",
		},
		"broken UTF-8 in a query": {`{"query":"mutation{sell(count:1) # ` + "\xff" + `"}`, "invalid UTF-8"},
		"half a pair in a query":  {`{"query":"mutation{sell(count:1) # \ud800"}`, "at /query"},
		"half a pair in a literal": {
			`{"query":"mutation{sell(count:1)}query x{hello(name:\"Li\\uD800\")}"}`, "half of a surrogate pair",
		},
		"behind a character of two": {
			`{"query":"mutation{sell(count:1)}query x{hello(name:\"😀北\\\\\\uDC00\")}"}`, "half of a surrogate pair",
		},
		"a first half before another": {
			`{"query":"mutation{sell(count:1)}query x{hello(name:\"\\ud83d\\u0041\")}"}`, "half of a surrogate pair",
		},
		"a half in braces": {
			`{"query":"mutation{sell(count:1)}query x{hello(name:\"\\u{D800}\")}"}`, "Invalid",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.do(t, "POST", "/graphql", c.request, "Content-Type", "application/json",
				"Accept", "application/graphql-response+json")
			require.Equal(t, 400, r.status, r.raw)
			require.Contains(t, r.Errors[0].Message, c.says)
			require.Contains(t, []string{"BAD_USER_INPUT", "GRAPHQL_PARSE_FAILED"}, r.code())
			r = w.do(t, "POST", "/graphql", c.request, "Content-Type", "application/json",
				"Accept", "text/event-stream")
			require.Contains(t, r.raw, `"errors"`)

			last++
			id := fmt.Sprint(last)
			phone.write(t, `{"type":"subscribe","id":"`+id+`","payload":`+c.request+`}`)
			if c.says == `"Query" is spelled "query"` {
				// There is no query then, and the message is not one of the protocol.
				phone.wantClose(t, 4400)
				phone = w.call(whole, nil)
				return
			}
			m, err := phone.read(t)
			require.NoError(t, err)
			require.Equal(t, "error", m.Type, "%s", m.Payload)
			require.Equal(t, id, m.ID)
		})
	}
	require.Zero(t, w.stub.sold)
	// The socket lives on, and unknown members are allowed.
	phone.send(t, "subscribe", "on", map[string]any{"query": `{hello}`, "debug": 1})
	phone.want(t, "next", "on", `{"data":{"hello":"hello"}}`)
	require.Equal(t, 200, w.ask(t, map[string]any{"query": `{hello}`, "debug": 1}).status)
}

func TestInputs_URLsAsTheyAreWritten(t *testing.T) {
	w := start(t)
	for name, query := range map[string]string{
		"another case":              "Query=%7Bhello%7D",
		"another case besides":      "query=%7Bhello%7D&Variables=%7B%7D",
		"twice":                     "query=%7Bhello%7D&query=%7Bwho%7D",
		"two variables":             "query=%7Bhello%7D&variables=" + url.QueryEscape(`{"a":1,"a":2}`),
		"half a pair":               "query=%7Bhello%7D&variables=" + url.QueryEscape(`{"a":"\ud800"}`),
		"broken UTF-8":              "query=%7Bhello%7D%23%FF",
		"broken UTF-8 in variables": "query=%7Bhello%7D&variables=" + url.QueryEscape("{\"a\":\"\xff\"}"),
		"half a pair in a literal":  "query=" + url.QueryEscape(`{hello(name:"\uD800")}`),
	} {
		t.Run(name, func(t *testing.T) {
			for _, accept := range []string{"*/*", "text/event-stream"} {
				r := w.do(t, "GET", "/graphql?"+query, "", "Accept", accept)
				require.Contains(t, r.raw, `"errors"`)
				require.NotContains(t, r.raw, `"hello":`)
			}
		})
	}
}

// A message that is not one of the protocol ends the connection, even where encoding/json would read it as one.
func TestInputs_MessagesAsTheyAreWritten(t *testing.T) {
	w := start(t)
	for name, text := range map[string]string{
		"two tokens":         `{"type":"connection_init","payload":{"authorization":"a","authorization":"b"}}`,
		"two types":          `{"type":"connection_init","type":"ping"}`,
		"a type in capitals": `{"Type":"connection_init"}`,
		"half a pair":        `{"type":"connection_init","payload":{"x":"\ud800"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			p, _, err := w.dial(t)
			require.NoError(t, err)
			p.write(t, text)
			p.wantClose(t, 4400)
		})
	}
}
