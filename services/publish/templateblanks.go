package publish

import (
	"github.com/goccy/go-yaml/ast"

	"interlock/services/rail"
)

// blanks names the values that a templates file has yet to be given, and their lines.
func (p *templateParser) blanks(tree *ast.File) error {
	var errs rail.Errors
	more := 0
	visit := func(name string, line int) {
		if len(errs) == maxListed {
			more++
			return
		}
		errs = append(errs, p.refuse(line, "%s is to be filled in", name))
	}
	for _, document := range tree.Docs {
		visitBlanks(document.Body, visit)
	}
	if more > 0 {
		errs = append(errs, p.refuse(0, "%d more values are to be filled in", more))
	}
	return errs.OrNil()
}

func visitBlanks(node ast.Node, visit func(name string, line int)) {
	switch node := node.(type) {
	case *ast.MappingNode:
		for _, value := range node.Values {
			visitBlanks(value, visit)
		}
	case *ast.MappingValueNode:
		if _, blank := node.Value.(*ast.NullNode); blank {
			key := node.Key.GetToken()
			visit(short(key.Value), key.Position.Line)
			return
		}
		visitBlanks(node.Value, visit)
	case *ast.SequenceNode:
		for _, value := range node.Values {
			visitBlanks(value, visit)
		}
	case *ast.AnchorNode:
		visitBlanks(node.Value, visit)
	}
}
