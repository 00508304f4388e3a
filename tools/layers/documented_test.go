package layers

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// TestEveryExportedNameIsDocumented finds exported names of packages and methods of exported types without a comment. A comment within a block of
// constants or variables may stand for several of them, if it names them.
func TestEveryExportedNameIsDocumented(t *testing.T) {
	fset := token.NewFileSet()
	for _, path := range filesEnding(t, ".go") {
		if strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".pb.go") {
			continue
		}
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			for _, name := range undocumented(d) {
				t.Errorf("%s: %s has no comment: contract, units, ranges, errors", fset.Position(name.Pos()), name.Name)
			}
		}
	}
}

// undocumented returns the exported names that d declares without a comment.
func undocumented(d ast.Decl) (all []*ast.Ident) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && (d.Recv == nil || receiver(d.Recv.List[0].Type).IsExported()) {
			all = append(all, d.Name)
		}
	case *ast.GenDecl:
		said := d.Doc.Text()
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && d.Doc == nil && s.Doc == nil {
					all = append(all, s.Name)
				}
			case *ast.ValueSpec:
				said += s.Doc.Text()
				for _, n := range s.Names {
					if n.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil && !strings.Contains(said, n.Name) {
						all = append(all, n)
					}
				}
			}
		}
	}
	return all
}

// receiver returns the name of a receiver's type.
func receiver(t ast.Expr) *ast.Ident {
	for {
		switch e := t.(type) {
		case *ast.StarExpr:
			t = e.X
		case *ast.IndexExpr:
			t = e.X
		case *ast.IndexListExpr:
			t = e.X
		case *ast.Ident:
			return e
		default:
			return ast.NewIdent("_")
		}
	}
}
