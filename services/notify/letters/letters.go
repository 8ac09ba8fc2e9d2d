// Package letters writes what buyers are told: a subject, a text and a page of HTML, by templates in their language.
package letters

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"text/template"
	"time"

	"golang.org/x/text/language"

	"interlock/services/notify"
	"interlock/services/rail"
)

//go:embed templates
var embedded embed.FS

// The files of a language. A folder of one's own may have any of them; what it lacks is ours, where we have the
// language.
const (
	subjectFile = "subject.txt"
	textFile    = "letter.txt"
	htmlFile    = "letter.html"
	classesFile = "classes.txt"
)

// fallback is the language of those whose own is not known.
const fallback = "en"

const (
	// maxTemplate bounds a file, maxText what comes of it, in bytes, and maxLanguages how many languages there are.
	maxTemplate  = 256 << 10
	maxText      = 512 << 10
	maxLanguages = 100
	// maxSubject is how many characters a subject has at most.
	maxSubject = 200
)

// Letter is what a template can say.
type Letter struct {
	Kind notify.Kind
	// Order is the order, as it is now.
	Order *notify.Order
	// Language is that of the template.
	Language string
	// Page is where the buyer finds the order, "" for nowhere.
	Page string
	// Attached tells that the tickets are attached as PDF.
	Attached bool
	// classes are the names of classes, those of the language first.
	classes []classNames
}

// From and To are the names of the stations in the letter's language.
func (l *Letter) From() string { return l.Order.From.NameIn(l.Language) }

// To see From.
func (l *Letter) To() string { return l.Order.To.NameIn(l.Language) }

// Valid are the tickets that one can travel with. A used one is shown again to the next inspector.
func (l *Letter) Valid() (tickets []notify.Ticket) {
	for _, t := range l.Order.Tickets {
		if t.State == rail.TicketIssued || t.State == rail.TicketChanging || t.State == rail.TicketUsed {
			tickets = append(tickets, t)
		}
	}
	return tickets
}

// Refund is the latest refund: what goes back, and what was kept. It is zero where there is none.
func (l *Letter) Refund() (latest notify.Refund) {
	for _, r := range l.Order.Refunds {
		if !r.At.Before(latest.At) {
			latest = r
		}
	}
	return latest
}

// Texts are a letter as it is sent.
type Texts struct{ Subject, Text, HTML string }

// Templates write letters. They may be used by many goroutines.
type Templates struct {
	matcher language.Matcher
	all     []*templates
}

// templates are those of one language.
type templates struct {
	tag           language.Tag
	subject, text *template.Template
	html          *htmltemplate.Template
	classes       classNames
	// english has the names of classes that classes lacks.
	english classNames
}

// functionsIn are what templates of a language can call.
func functionsIn(tag language.Tag) map[string]any {
	return map[string]any{
		"date":  func(t time.Time) string { return t.Format("2006-01-02") },
		"clock": func(t time.Time) string { return t.Format("15:04") },
		"money": func(m rail.Money) string { return Money(tag.String(), m) },
		"lower": strings.ToLower,
	}
}

// Money is an amount as it is written in a language: ¥553.00 in Chinese, and else 553.00 CNY.
func Money(tag string, m rail.Money) string {
	if m.Currency == "CNY" && (tag == "zh" || strings.HasPrefix(tag, "zh-")) {
		return "¥" + m.Amount()
	}
	return m.String()
}

// Open reads the templates that we have, and those in a folder, "" for none: a folder for each language by its BCP 47
// tag, with subject.txt, letter.txt and letter.html, and perhaps classes.txt. Each is tried out with every kind of
// letter. An error names the file, and the line where that is known.
func Open(dir string) (*Templates, error) {
	ours, err := fs.Sub(embedded, "templates")
	if err != nil {
		return nil, err
	}
	from := []fs.FS{ours}
	if dir != "" {
		from = append(from, os.DirFS(dir))
	}
	files := map[string]map[string]string{}
	for _, one := range from {
		if err := read(one, files); err != nil {
			return nil, err
		}
	}
	t := &Templates{}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	// The first is that of those whose own is not known.
	slices.SortFunc(names, func(a, b string) int {
		if (a == fallback) != (b == fallback) {
			return map[bool]int{true: -1, false: 1}[a == fallback]
		}
		return strings.Compare(a, b)
	})
	var tags []language.Tag
	for _, name := range names {
		one, err := parse(name, files[name])
		if err != nil {
			return nil, err
		}
		if one.english = one.classes; len(t.all) > 0 {
			one.english = t.all[0].classes
		}
		if err := one.tryOut(); err != nil {
			return nil, err
		}
		t.all, tags = append(t.all, one), append(tags, one.tag)
	}
	t.matcher = language.NewMatcher(tags)
	return t, nil
}

// read adds the files of a folder.
func read(from fs.FS, files map[string]map[string]string) error {
	folders, err := fs.ReadDir(from, ".")
	if err != nil {
		return err
	}
	for _, folder := range folders {
		if !folder.IsDir() {
			continue
		}
		if len(files) >= maxLanguages {
			return fmt.Errorf("there are letters in more than %d languages", maxLanguages)
		}
		for _, name := range []string{subjectFile, textFile, htmlFile, classesFile} {
			file := path.Join(folder.Name(), name)
			info, err := fs.Stat(from, file)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err == nil && info.Size() > maxTemplate {
				err = fmt.Errorf("%s: it is longer than %d bytes", file, maxTemplate)
			}
			if err != nil {
				return err
			}
			text, err := fs.ReadFile(from, file)
			if err != nil {
				return err
			}
			if files[folder.Name()] == nil {
				files[folder.Name()] = map[string]string{}
			}
			files[folder.Name()][name] = string(text)
		}
	}
	return nil
}

func parse(name string, files map[string]string) (*templates, error) {
	tag, err := language.Parse(name)
	if err != nil {
		return nil, fmt.Errorf("%s: the folder's name is no tag of a language such as zh or en-GB", name)
	}
	t, functions := &templates{tag: tag}, functionsIn(tag)
	if t.classes, err = parseClasses(path.Join(name, classesFile), files[classesFile]); err != nil {
		return nil, err
	}
	for file, parse := range map[string]func(name, text string) error{
		subjectFile: func(name, text string) (err error) {
			t.subject, err = template.New(name).Funcs(functions).Option("missingkey=error").Parse(text)
			return err
		},
		textFile: func(name, text string) (err error) {
			t.text, err = template.New(name).Funcs(functions).Option("missingkey=error").Parse(text)
			return err
		},
		htmlFile: func(name, text string) (err error) {
			t.html, err = htmltemplate.New(name).Funcs(functions).Option("missingkey=error").Parse(text)
			return err
		},
	} {
		text, there := files[file]
		if !there {
			return nil, fmt.Errorf("%s: there is no %s", name, file)
		}
		if err := parse(path.Join(name, file), text); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// tryOut writes a letter of each kind.
func (t *templates) tryOut() error {
	for _, kind := range notify.Kinds {
		for _, o := range []*notify.Order{sample(), {}} {
			for _, page := range []string{"", "https://railway.example/orders/1"} {
				_, err := t.compose(&Letter{Kind: kind, Order: o, Page: page, Attached: page != ""})
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// sample is an order that has everything.
func sample() *notify.Order {
	at := time.Date(2030, 5, 1, 8, 0, 0, 0, time.UTC)
	fare := rail.Money{Minor: 55_300, Currency: "CNY"}
	return &notify.Order{
		Number: "4F7K2M9QX8TB", State: rail.Paid, Train: "G1", Reason: "snow", RunReason: "snow", Total: fare, Replaces: true,
		From: notify.Stop{Name: "北京南", At: at}, To: notify.Stop{Name: "上海虹桥", At: at.Add(5 * time.Hour)},
		Tickets: []notify.Ticket{{
			Passenger: "王秀英", Document: "11***02", SeatClass: "SECOND", Coach: "3", Seat: "12F", Price: fare,
			State: rail.TicketIssued, Code: "ABC",
		}},
		Refunds: []notify.Refund{{Kind: rail.RefundAsked, At: at, Back: fare, Fee: fare}},
	}
}

// Languages are the tags that there are letters in, the fallback first.
func (t *Templates) Languages() (tags []string) {
	for _, one := range t.all {
		tags = append(tags, one.tag.String())
	}
	return tags
}

// Compose writes a letter in the language that is nearest to the buyer's, and sets its Language and the names of
// its classes.
func (t *Templates) Compose(l *Letter) (Texts, error) {
	at := 0
	if tag, err := language.Parse(l.Order.Contact.Language); err == nil {
		_, at, _ = t.matcher.Match(tag)
	}
	return t.all[at].compose(l)
}

func (t *templates) compose(l *Letter) (texts Texts, err error) {
	l.Language, l.classes = t.tag.String(), []classNames{t.classes, t.english}
	var subject, text, html limited
	err = errors.Join(t.subject.Execute(&subject, l), t.text.Execute(&text, l), t.html.Execute(&html, l))
	if err != nil {
		return Texts{}, err
	}
	// A name has no line breaks; a template of one's own may.
	line := strings.Join(strings.Fields(subject.String()), " ")
	if characters := []rune(line); len(characters) > maxSubject {
		line = string(characters[:maxSubject-1]) + "…"
	}
	return Texts{Subject: line, Text: text.String(), HTML: html.String()}, nil
}

// limited is a buffer that takes no more than a letter may have.
type limited struct{ bytes.Buffer }

var errTooLong = fmt.Errorf("a letter has more than %d bytes", maxText)

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > maxText {
		return 0, errTooLong
	}
	return l.Buffer.Write(p)
}
