package gateway

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxPointerBytes is up to how many bytes the place of a mistake in JSON is told.
const maxPointerBytes = 128

// readJSON reads one JSON value and nothing after it. Two members of one name, names in another case, broken UTF-8 and
// halves of surrogate pairs are errors: encoding/json would take them, and change what the client has written. Numbers
// keep all their digits.
func readJSON(text []byte, into any) error { return json.Unmarshal(text, into, numbersInFull) }

var numbersInFull = json.WithUnmarshalers(json.UnmarshalFromFunc(func(decoder *jsontext.Decoder, value *any) error {
	if decoder.PeekKind() != '0' {
		return errors.ErrUnsupported
	}
	number, err := decoder.ReadValue()
	*value = stdjson.Number(number)
	return err
}))

// parameters are the members of a request, by GraphQL over HTTP and graphql-transport-ws.
type parameters struct {
	Query         string                    `json:"query"`
	OperationName string                    `json:"operationName"`
	Variables     map[string]any            `json:"variables"`
	Extensions    map[string]any            `json:"extensions"`
	Others        map[string]jsontext.Value `json:",embed"`
}

var parameterNames = []string{"query", "operationName", "variables", "extensions"}

// readParameters reads a JSON object with the parameters of an operation. what names the object in messages.
func readParameters(text []byte, what string) (*graphql.RawParams, error) {
	read, err := parseParameters(text, what)
	if err != nil {
		return nil, err
	}
	return read.request()
}

// parseParameters reads a JSON object whose parameters have the right types.
func parseParameters(text []byte, what string) (*parameters, error) {
	if isList(text) {
		return nil, unreadable("%s is a list: a batch is one list of operations, as the body of a POST", what)
	}
	var read parameters
	if err := readJSON(text, &read); err != nil {
		return nil, unreadable("%s is not a JSON object with a query: %s", what, jsonTrouble(err))
	}
	return &read, nil
}

// request is what gqlgen executes. Other members are allowed, but a name that differs from a parameter's in case only
// is an error: the operation would be executed without that parameter.
func (p *parameters) request() (*graphql.RawParams, error) {
	if err := checkSpelling(slices.Sorted(maps.Keys(p.Others)), parameterNames); err != nil {
		return nil, err
	}
	return &graphql.RawParams{
		Query: p.Query, OperationName: p.OperationName, Variables: p.Variables, Extensions: p.Extensions,
	}, nil
}

// isList tells whether JSON is a list, if it is JSON.
func isList(text []byte) bool { return bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("[")) }

// checkSpelling refuses a name that is a parameter's in another case.
func checkSpelling(names, parameters []string) error {
	for _, name := range names {
		for _, ours := range parameters {
			if name != ours && strings.EqualFold(name, ours) {
				return unreadable("%q is spelled %q", name, ours)
			}
		}
	}
	return nil
}

// jsonTrouble says what is wrong with JSON and, where that is short, at which place.
func jsonTrouble(err error) string {
	var syntactic *jsontext.SyntacticError
	var semantic *json.SemanticError
	var what string
	var where jsontext.Pointer
	switch {
	case errors.As(err, &syntactic) && errors.Is(err, jsontext.ErrDuplicateName):
		what, where = "a name occurs twice", syntactic.JSONPointer
	case errors.As(err, &syntactic):
		// The library quotes the text, which may be a piece of a passenger's name.
		what, _, _ = strings.Cut(syntactic.Err.Error(), " `")
		where = syntactic.JSONPointer
	case errors.As(err, &semantic):
		what, where = "a value is of another type", semantic.JSONPointer
	default:
		return "it is not whole"
	}
	if where != "" && len(where) <= maxPointerBytes && utf8.ValidString(string(where)) {
		return what + " at " + string(where)
	}
	return what
}
