package gateway

import (
	"context"
	"regexp"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// inputs coerces values to the types of the schema as the GraphQL specification does (September 2025, 3 and 6.1.2). It
// is a gqlgen extension. Values of variables are coerced before gqlgen takes them, which is more lenient. Values in
// documents are checked by a rule beside GraphQL's own. What a null means, nulls decides.
type inputs struct {
	schema *ast.Schema
	cache  documents
	tokens int
}

var _ interface {
	graphql.HandlerExtension
	graphql.OperationParameterMutator
	graphql.OperationContextMutator
} = (*inputs)(nil)

// ExtensionName implements graphql.HandlerExtension.
func (i *inputs) ExtensionName() string { return "InterlockInputs" }

// Validate implements graphql.HandlerExtension.
func (i *inputs) Validate(graphql.ExecutableSchema) error { return nil }

// usualDepth is how many steps the path of a value has in most requests: a variable, a list in it, and a field of its
// elements.
const usualDepth = 8

// MutateOperationParameters implements graphql.OperationParameterMutator. It coerces the value of each variable to its
// type.
func (i *inputs) MutateOperationParameters(ctx context.Context, request *graphql.RawParams) *gqlerror.Error {
	document, cached := i.cache.Get(ctx, request.Query)
	if !cached {
		if err := loneSurrogate(request.Query); err != nil {
			return err
		}
	}
	if len(request.Variables) == 0 {
		return nil
	}
	if !cached {
		var err error
		if document, err = parser.ParseQueryWithTokenLimit(&ast.Source{Input: request.Query}, i.tokens); err != nil {
			// gqlgen parses it next, and says what is wrong.
			return nil
		}
	}
	operation := document.Operations.ForName(request.OperationName)
	if operation == nil {
		return nil
	}
	values := make(map[string]any, len(request.Variables))
	c := &coercion{schema: i.schema, at: make([]step, 0, usualDepth)}
	c.enter("variable", 0)
	for _, variable := range operation.VariableDefinitions {
		given, ok := request.Variables[variable.Variable]
		if !ok {
			continue
		}
		c.enter(variable.Variable, 0)
		value, err := c.value(variable.Type, given)
		if err != nil {
			return err
		}
		c.leave()
		values[variable.Variable] = value
	}
	request.Variables = values
	return nil
}

// valuesRule and ownValuesRule name the rule below and GraphQL's own of the same purpose. What they refuse is a value,
// and not a document.
const (
	valuesRule    = "InterlockValues"
	ownValuesRule = "ValuesOfCorrectType"
)

// newRules are GraphQL's rules for documents, and a rule on values for what GraphQL leaves to a server's scalars.
func newRules() *rules.Rules {
	all := rules.NewDefaultRules()
	// For "Did you mean", the rule would compare an unknown name with every type, letter by letter: a name of 200 KB
	// takes a third of a second. The other rules compare a name with a few fields or arguments.
	all.ReplaceRule(rules.KnownTypeNamesRule.Name, rules.KnownTypeNamesRuleWithoutSuggestions.RuleFunc)
	all.AddRule(valuesRule, func(observers *core.Events, addError core.AddErrFunc) {
		observers.OnValue(func(_ *core.Walker, value *ast.Value) {
			if value.Definition != nil && value.ExpectedType != nil && !literalFits(value) {
				addError(core.Message("%s cannot represent the value %s.", value.Definition.Name, value),
					core.At(value.Position))
			}
		})
	})
	return all
}

// literalFits tells whether a literal in a document is a value of its type. What GraphQL's own rule refuses, it lets
// pass.
func literalFits(value *ast.Value) bool {
	switch {
	case value.Kind == ast.Variable || value.Kind == ast.NullValue:
		return true
	case value.Kind == ast.ListValue && value.ExpectedType.Elem != nil:
		return true
	case value.Kind == ast.ObjectValue:
		return value.Definition.Kind == ast.InputObject
	case value.Definition.Kind != ast.Scalar:
		return true
	}
	switch value.Definition.Name {
	case "Int":
		_, err := strconv.ParseInt(value.Raw, 10, 32)
		return err == nil || value.Kind != ast.IntValue
	case "Float", "String", "Boolean", "ID":
		return true
	}
	return value.Kind == ast.StringValue || value.Kind == ast.BlockValue
}

// surrogate matches an escape that may be half of a surrogate pair.
var surrogate = regexp.MustCompile(`\\u[dD][89a-fA-F]`)

// loneSurrogate refuses a string with half of a surrogate pair in it. Half a pair is no character, and the parser would
// put another character in its place.
func loneSurrogate(query string) *gqlerror.Error {
	if !surrogate.MatchString(query) {
		return nil
	}
	all := []rune(query)
	lex := lexer.New(&ast.Source{Input: query})
	for {
		token, err := lex.ReadToken()
		if err != nil || token.Kind == lexer.EOF {
			// gqlgen parses it next, and says what is wrong.
			return nil
		}
		if token.Kind == lexer.String && hasLoneSurrogate(string(all[token.Pos.Start:token.Pos.End])) {
			return refusal(errcode.ParseFailed, &token.Pos,
				"a string has half of a surrogate pair (\\uD800 to \\uDFFF)")
		}
	}
}

// hasLoneSurrogate tells whether a string, as it is written, has an escape of half a surrogate pair without the other
// half.
func hasLoneSurrogate(written string) bool {
	high := false
	for len(written) > 0 {
		unit, length := uint64(0), 1
		if written[0] == '\\' && len(written) > 1 {
			length = 2
			if written[1] == 'u' && len(written) >= 6 {
				if code, err := strconv.ParseUint(written[2:6], 16, 16); err == nil {
					unit, length = code, 6
				}
			}
		}
		low := unit >= 0xDC00 && unit <= 0xDFFF
		if low != high {
			return true
		}
		high = unit >= 0xD800 && unit < 0xDC00
		written = written[length:]
	}
	return high
}
