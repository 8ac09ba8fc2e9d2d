package gateway

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// maxNameBytes is how many bytes of an unknown name an error repeats.
const maxNameBytes = 64

// coercion makes values of a schema's types out of JSON, or refuses them. Its messages repeat no value: a value may be
// a passenger's name.
type coercion struct {
	schema *ast.Schema
	// at is the place of the value under way: "variable", its name, and the way inside.
	at []step
}

// step is a name, or an index where there is none.
type step struct {
	name  string
	index int
}

func (c *coercion) enter(name string, index int) { c.at = append(c.at, step{name, index}) }

func (c *coercion) leave() { c.at = c.at[:len(c.at)-1] }

func (c *coercion) refuse(format string, args ...any) *gqlerror.Error {
	at := place{}
	for _, s := range c.at {
		if s.name != "" {
			at = append(at, ast.PathName(s.name))
		} else {
			at = append(at, ast.PathIndex(s.index))
		}
	}
	return at.refuse(format, args...)
}

// place is the path of a value.
type place ast.Path

// refuse says what a value must be: "$input.passengers[0].name must be a String, not a number".
func (p place) refuse(format string, args ...any) *gqlerror.Error {
	e := gqlerror.ErrorPathf(ast.Path(p), "$%s %s", ast.Path(p[1:]), fmt.Sprintf(format, args...))
	// It has validation's code until it is presented, by which gqlgen knows that nothing was executed.
	errcode.Set(e, errcode.ValidationFailed)
	return e
}

// value coerces to a type.
func (c *coercion) value(t *ast.Type, given any) (any, *gqlerror.Error) {
	if given == nil {
		if t.NonNull {
			return nil, c.refuse("must not be null")
		}
		return nil, nil
	}
	if t.Elem != nil {
		return c.list(t, given)
	}
	definition := c.schema.Types[t.NamedType]
	if definition == nil {
		// The document is wrong. Its validation says so.
		return given, nil
	}
	switch definition.Kind {
	case ast.InputObject:
		return c.object(definition, given)
	case ast.Enum:
		text, ok := given.(string)
		if !ok || definition.EnumValues.ForName(text) == nil {
			return nil, c.refuse("must be one of the values of %s", definition.Name)
		}
		return text, nil
	case ast.Scalar:
		value, ok := scalar(definition.Name, given)
		if !ok {
			return nil, c.refuse("must be %s, not %s", wanted(definition.Name), kindOfJSON(given))
		}
		return value, nil
	}
	return given, nil
}

// list coerces to a list. A value that is no list becomes a list of one (GraphQL, 3.11).
func (c *coercion) list(t *ast.Type, given any) (any, *gqlerror.Error) {
	elements, ok := given.([]any)
	if !ok {
		one, err := c.value(t.Elem, given)
		return []any{one}, err
	}
	out := make([]any, len(elements))
	for i, element := range elements {
		var err *gqlerror.Error
		c.enter("", i)
		if out[i], err = c.value(t.Elem, element); err != nil {
			return nil, err
		}
		c.leave()
	}
	return out, nil
}

// object coerces to an input object (GraphQL, 3.10): it has no other fields than those of its type, one field exactly
// where the type is @oneOf, and every field that must be given. A field that is left out and has a default is not in
// the result: gqlgen fills it in. A null for a field that has a default is as if the field were left out, see nulls.
func (c *coercion) object(definition *ast.Definition, given any) (any, *gqlerror.Error) {
	members, ok := given.(map[string]any)
	if !ok {
		return nil, c.refuse("must be an object of %s, not %s", definition.Name, kindOfJSON(given))
	}
	if err := c.checkNames(definition, members); err != nil {
		return nil, err
	}
	if err := c.checkOneOf(definition, members); err != nil {
		return nil, err
	}
	out := make(map[string]any, len(members))
	for _, field := range definition.Fields {
		c.enter(field.Name, 0)
		member, given := members[field.Name]
		switch hasDefault := field.DefaultValue != nil; {
		case given && member == nil && hasDefault && !field.Type.NonNull:
		case given:
			value, err := c.value(field.Type, member)
			if err != nil {
				return nil, err
			}
			out[field.Name] = value
		case field.Type.NonNull && !hasDefault:
			return nil, c.refuse("must be given")
		}
		c.leave()
	}
	return out, nil
}

// checkNames refuses the first member, by name, that is no field of the type.
func (c *coercion) checkNames(definition *ast.Definition, members map[string]any) *gqlerror.Error {
	var unknown []string
	for name := range members {
		if definition.Fields.ForName(name) == nil {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	first := slices.Min(unknown)
	return c.refuse("has no field %q: it is a %s", first[:min(len(first), maxNameBytes)], definition.Name)
}

// checkOneOf refuses an object of a type that is @oneOf, unless it has one field that is not null.
func (c *coercion) checkOneOf(definition *ast.Definition, members map[string]any) *gqlerror.Error {
	if definition.Directives.ForName("oneOf") == nil {
		return nil
	}
	if len(members) != 1 {
		return c.refuse("must have exactly one of the fields of %s, not %d", definition.Name, len(members))
	}
	for name, member := range members {
		if member == nil {
			c.enter(name, 0)
			return c.refuse("must not be null: it is the one field of %s", definition.Name)
		}
	}
	return nil
}

// scalar coerces to a scalar. A scalar of the schema's own is a string, which its unmarshaller reads later.
func scalar(name string, given any) (value any, ok bool) {
	number, isNumber := given.(json.Number)
	switch name {
	case "Int":
		// 5.0 is refused, as it is in a document: it is no integer by its spelling.
		whole, err := strconv.ParseInt(number.String(), 10, 32)
		return whole, isNumber && err == nil
	case "Float":
		float, err := strconv.ParseFloat(number.String(), 64)
		return float, isNumber && err == nil // JSON has no NaN and no infinity. Too large a number is an error.
	case "Boolean":
		truth, ok := given.(bool)
		return truth, ok
	case "ID":
		if isNumber {
			return number.String(), !strings.ContainsAny(number.String(), ".eE")
		}
	}
	text, ok := given.(string)
	return text, ok
}

// wanted names what a scalar takes, for messages.
func wanted(name string) string {
	switch name {
	case "Int":
		return "an integer between -2147483648 and 2147483647 (Int)"
	case "Float":
		return "a number (Float)"
	case "Boolean":
		return "true or false (Boolean)"
	case "ID":
		return "a string or an integer (ID)"
	}
	return "a string (" + name + ")"
}

func kindOfJSON(value any) string {
	switch value.(type) {
	case bool:
		return "true or false"
	case json.Number:
		return "such a number"
	case string:
		return "a string"
	case []any:
		return "a list"
	}
	return "an object"
}
