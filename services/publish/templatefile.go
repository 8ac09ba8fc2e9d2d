package publish

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"interlock/services/rail"
)

// Bounds of a templates file. YAML can say in a few bytes what takes a parser gigabytes: nested a hundred thousand
// deep, or repeated by aliases of aliases.
const (
	// maxTemplateBytes is forty times the sample's. The parser's work grows with the square of a mapping's keys: that
	// many bytes of them take it two seconds.
	maxTemplateBytes = 128 << 10
	// maxTemplateDepth is how deep lists and mappings in brackets are nested, or begin in one line; the file needs
	// three.
	maxTemplateDepth = 16
	// maxTemplateIndent is how far a line is indented: lists and mappings are nested by it, too.
	maxTemplateIndent = 200
	// maxTemplateValues is how many words and numbers the file has with its aliases put in place: as many as a file
	// without aliases could have.
	maxTemplateValues = maxTemplateBytes / 2
	// maxTemplateSeats is how many seats the kinds of a file have together: fifty long trains, each with a coach for
	// each seat that the ledger lets it have, would have twice as many.
	maxTemplateSeats = 500_000
)

// The file, as it is written. services/publish/sample/templates.yaml is one with every part explained.
type (
	templateFile struct {
		Currency scalar                 `yaml:"currency"`
		RoundTo  scalar                 `yaml:"round_to"`
		Kinds    map[string]*kindInFile `yaml:"kinds"`
		Default  *kindInFile            `yaml:"default"`
	}
	kindInFile struct {
		Skip    bool          `yaml:"skip"`
		Coaches []coachInFile `yaml:"coaches"`
		Fares   []fareInFile  `yaml:"fares"`
	}
	coachInFile struct {
		Numbers scalar        `yaml:"numbers"`
		Class   scalar        `yaml:"class"`
		Rows    *rowsInFile   `yaml:"rows"`
		Berths  *berthsInFile `yaml:"berths"`
	}
	rowsInFile struct {
		Letters scalar   `yaml:"letters"`
		First   int      `yaml:"first"`
		Last    int      `yaml:"last"`
		Without []scalar `yaml:"without"`
	}
	berthsInFile struct {
		Tiers []scalar `yaml:"tiers"`
		First int      `yaml:"first"`
		Last  int      `yaml:"last"`
	}
	fareInFile struct {
		Class   scalar `yaml:"class"`
		PerKm   scalar `yaml:"per_km"`
		Minimum scalar `yaml:"minimum"`
		Flat    scalar `yaml:"flat"`
		Pairs   scalar `yaml:"pairs"`
		Free    bool   `yaml:"free"`
	}
)

// scalar is a value as it was written, and where: a price must not pass through a float.
type scalar struct {
	text string
	line int
}

// UnmarshalYAML keeps the text and the line of a plain or quoted value.
func (s *scalar) UnmarshalYAML(node ast.Node) error {
	switch node.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		s.text, s.line = strings.TrimSpace(node.GetToken().Value), node.GetToken().Position.Line
		return nil
	}
	return &yaml.UnexpectedNodeTypeError{Actual: node.Type(), Expected: ast.StringType, Token: node.GetToken()}
}

// ReadTemplates is ParseTemplates of a file that may be of any length. It opens the tables of fares that the file
// names, by paths that begin where the file of that name is.
func ReadTemplates(name string, r io.Reader) (*Templates, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxTemplateBytes+1))
	if err != nil {
		return nil, err
	}
	return parseTemplates(name, data, openTable)
}

// openTable opens a file. A pipe or a device is refused: it may never end.
func openTable(path string) (io.ReadCloser, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no plain file", path)
	}
	return os.Open(path)
}

// ParseTemplates reads the YAML of a templates file; name is what refusals call it. Everything in it is checked here,
// so that a mistake is found before a feed is. It opens no files: tables of fares are refused.
func ParseTemplates(name string, data []byte) (*Templates, error) {
	return parseTemplates(name, data, nil)
}

func parseTemplates(name string, data []byte, open func(string) (io.ReadCloser, error)) (*Templates, error) {
	if len(data) > maxTemplateBytes {
		return nil, rail.Refuse(rail.Invalid, "%s: the file is longer than %d bytes", name, maxTemplateBytes)
	}
	p := templateParser{name: name, open: open, tables: map[string]*pairFile{}}
	if err := p.checkShape(lexer.Tokenize(string(data))); err != nil {
		return nil, err
	}
	tree, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, p.broken(err)
	}
	p.tree = tree // It knows where kinds begin.
	values := valueCounter{anchors: map[string]int{}}
	for _, document := range tree.Docs {
		if values.count(document.Body) > maxTemplateValues {
			return nil, p.refuse(0, "the file has more than %d values, those counted again that aliases (*) repeat",
				maxTemplateValues)
		}
	}
	if err := p.blanks(tree); err != nil {
		return nil, err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict())
	if err := decoder.Decode(&p.file); err != nil && !errors.Is(err, io.EOF) {
		return nil, p.broken(err)
	}
	if err := decoder.Decode(&templateFile{}); !errors.Is(err, io.EOF) {
		return nil, p.refuse(0, "the file has more than one document")
	}
	return p.parse()
}

type templateParser struct {
	name string
	file templateFile
	tree *ast.File
	// seats are how many seats there are so far.
	seats int
	// open opens a table of fares; nil where none may be.
	open func(path string) (io.ReadCloser, error)
	// tables are those that were read, by their paths, and rows how many rows they have together.
	tables map[string]*pairFile
	rows   int
}

// checkShape refuses a file that is nested too deep to be parsed.
func (p *templateParser) checkShape(tokens token.Tokens) error {
	line, begun, depth := 0, 0, 0
	for _, each := range tokens {
		at := each.Position.Line
		if at != line {
			if line, begun = at, 0; each.Position.Column > maxTemplateIndent && depth == 0 {
				return p.refuse(at, "the line is indented by more than %d characters", maxTemplateIndent)
			}
		}
		switch each.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType, token.MappingKeyType, token.TagType, token.AnchorType:
			begun++
		}
		if max(depth, begun) > maxTemplateDepth {
			return p.refuse(at, "lists and mappings are nested more than %d deep", maxTemplateDepth)
		}
	}
	return nil
}

// valueCounter counts values as they are decoded: an alias has those of its anchor.
type valueCounter struct{ anchors map[string]int }

// count is how many values a node has, or just too many.
func (c *valueCounter) count(node ast.Node) int {
	n := 0
	add := func(part ast.Node) { n = min(n+c.count(part), maxTemplateValues+1) }
	switch node := node.(type) {
	case nil:
	case *ast.MappingNode:
		for _, value := range node.Values {
			add(value)
		}
	case *ast.MappingValueNode:
		add(node.Key)
		add(node.Value)
	case *ast.SequenceNode:
		for _, value := range node.Values {
			add(value)
		}
	case *ast.MappingKeyNode:
		add(node.Value)
	case *ast.TagNode:
		add(node.Value)
	case *ast.AnchorNode:
		add(node.Value)
		c.anchors[node.Name.GetToken().Value] = n
	case *ast.AliasNode:
		n = max(c.anchors[node.Value.GetToken().Value], 1)
	default:
		n = 1
	}
	return n
}

func (p *templateParser) refuse(line int, format string, args ...any) *rail.Error {
	at := p.name
	if line > 0 {
		at += ":" + strconv.Itoa(line)
	}
	return &rail.Error{Code: rail.Invalid, Message: at + ": " + fmt.Sprintf(format, args...)}
}

// broken is the refusal of what is not YAML, or has fields that do not exist.
func (p *templateParser) broken(err error) error {
	var broken yaml.Error
	if errors.As(err, &broken) && broken.GetToken() != nil {
		return p.refuse(broken.GetToken().Position.Line, "%s", broken.GetMessage())
	}
	return p.refuse(0, "%v", err)
}

func (p *templateParser) parse() (*Templates, error) {
	if len(p.file.Kinds) == 0 && p.file.Default == nil {
		return nil, p.refuse(0, "the file has neither kinds nor a default")
	}
	currency := rail.Currency(p.file.Currency.text)
	if !currency.Valid() {
		return nil, p.refuse(p.file.Currency.line, "currency: %q is not an ISO 4217 code such as CNY", currency)
	}
	var roundTo int64
	if p.file.RoundTo.text != "" {
		money, err := rail.ParseMoney(p.file.RoundTo.text, currency)
		if err != nil {
			return nil, p.refuse(p.file.RoundTo.line, "round_to: %v", err)
		}
		roundTo = money.Minor
	}
	templates := &Templates{kinds: map[string]*Template{}}
	for _, kind := range slices.Sorted(maps.Keys(p.file.Kinds)) {
		template, err := p.template("kinds", kind, p.file.Kinds[kind], currency, roundTo)
		if err != nil {
			return nil, err
		}
		name := rail.NormalizeText(kind)
		if templates.kinds[name] != nil {
			return nil, p.refuse(p.lineOf("kinds", kind), "the kind %q is there twice", name)
		}
		templates.kinds[name] = template
	}
	if p.file.Default != nil {
		template, err := p.template("default", "", p.file.Default, currency, roundTo)
		if err != nil {
			return nil, err
		}
		templates.fallback = template
	}
	return templates, nil
}

func (p *templateParser) template(
	section, kind string, in *kindInFile, currency rail.Currency, roundTo int64,
) (*Template, error) {
	here := p.lineOf(section, kind)
	if in != nil && in.Skip {
		if len(in.Coaches)+len(in.Fares) > 0 {
			return nil, p.refuse(here, "%s is skipped, and has coaches or fares", strings.TrimSpace(section+" "+kind))
		}
		return &Template{name: cmp.Or(kind, section), Skip: true}, nil
	}
	if in == nil || len(in.Coaches) == 0 {
		return nil, p.refuse(here, "%s has no coaches", strings.TrimSpace(section+" "+kind))
	}
	formation, err := p.formation(in, here)
	if err != nil {
		return nil, err
	}
	template, err := p.fares(in, here, currency, roundTo)
	if err != nil {
		return nil, err
	}
	for _, class := range formation.Classes {
		if !template.hasFare(class) {
			return nil, p.refuse(here, "%s has %s seats and no fare for them", strings.TrimSpace(section+" "+kind),
				class)
		}
	}
	template.name, template.Formation = cmp.Or(kind, section), formation
	return template, nil
}

// lineAt is the line of what a path points at by an index.
func lineAt(path []string, place int, lines []int, otherwise int) int {
	if len(path) > place {
		if i, err := strconv.Atoi(path[place]); err == nil && i < len(lines) {
			return lines[i]
		}
	}
	return otherwise
}

// lineOf is the line of a section, or of a kind in it; 0 where that is not known.
func (p *templateParser) lineOf(section, kind string) int {
	if p.tree == nil || len(p.tree.Docs) == 0 {
		return 0
	}
	line, value := entry(p.tree.Docs[0].Body, section)
	if kind != "" {
		line, _ = entry(value, kind)
	}
	return line
}

// entry finds a key in a mapping.
func entry(node ast.Node, key string) (line int, value ast.Node) {
	mapping, ok := node.(ast.MapNode)
	if !ok {
		return 0, nil
	}
	for entries := mapping.MapRange(); entries.Next(); {
		if token := entries.Key().GetToken(); token.Value == key {
			return token.Position.Line, entries.Value()
		}
	}
	return 0, nil
}

// message is what an error of rail says, without its code.
func message(err error) string {
	var refusal *rail.Error
	if errors.As(err, &refusal) {
		return refusal.Message
	}
	return err.Error()
}
