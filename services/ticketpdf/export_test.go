package ticketpdf

// Whole has the library cut the fonts, as it can, and not this package.
func (p *Printer) Whole() {
	for _, f := range p.fonts {
		f.whole = true
	}
}
