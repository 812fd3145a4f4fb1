package gateway_test

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// bends are places where a law of the code is broken on purpose: "file: law".
var bends = map[string]string{}

func TestCodeKeepsTheLaws(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range goFiles(t) {
		source, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(f.name)))
		if err != nil {
			t.Fatal(err)
		}
		if formatted, err := format.Source(source); err != nil || !bytes.Equal(formatted, source) {
			t.Errorf("%s is not gofmt-ed (%v)", f.name, err)
		}
		positions := token.NewFileSet()
		file, err := parser.ParseFile(positions, f.name, source, parser.ParseComments)
		if err != nil {
			t.Error(err)
			continue
		}
		if !f.test {
			documented[f.pkg] = documented[f.pkg] || file.Doc != nil && len(file.Doc.Text()) > 20
		}
		laws := laws{t: t, file: f, positions: positions}
		laws.check(file)
		laws.sizes(file, bytes.Count(source, []byte("\n")))
	}
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("package %s has no package comment", pkg)
		}
	}
}

// laws checks one file.
type laws struct {
	t         *testing.T
	file      goFile
	positions *token.FileSet
	synctest  bool
}

func (l *laws) broken(at ast.Node, law string) {
	if _, bent := bends[l.file.name+": "+law]; !bent {
		l.t.Errorf("%s: %s", l.positions.Position(at.Pos()), law)
	}
}

func (l *laws) check(file *ast.File) {
	for _, i := range l.file.imports {
		l.synctest = l.synctest || i == "testing/synctest"
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil && n.Name.Name == "init" {
				l.broken(n, "no func init")
			}
		case *ast.CallExpr:
			l.call(n)
		case *ast.GoStmt:
			if !l.file.test {
				l.t.Logf("%s: a go statement (fine where its owner waits for it)", l.positions.Position(n.Pos()))
			}
		}
		return true
	})
}

func (l *laws) call(n *ast.CallExpr) {
	selector, ok := n.Fun.(*ast.SelectorExpr)
	if !ok {
		return
	}
	pkg, ok := selector.X.(*ast.Ident)
	if !ok {
		return
	}
	switch pkg.Name + "." + selector.Sel.Name {
	case "os.Exit":
		if !strings.HasPrefix(l.file.pkg, "cmd/") && !strings.HasPrefix(l.file.pkg, "deploy/") && !(l.file.test && l.insideTestMain(n)) {
			l.broken(n, "no os.Exit outside commands")
		}
	case "log.Fatal", "log.Fatalf", "log.Fatalln":
		l.broken(n, "no log.Fatal")
	case "time.Sleep":
		if l.file.test && !l.synctest {
			l.broken(n, "no time.Sleep in a test without synctest")
		}
	}
}

// insideTestMain allows the one place where a test has to end its process.
func (l *laws) insideTestMain(ast.Node) bool {
	source, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(l.file.name)))
	return err == nil && bytes.Contains(source, []byte("func TestMain("))
}

// sizes prints, and never fails on, what is larger than the house aims at.
func (l *laws) sizes(file *ast.File, lines int) {
	if lines > 500 {
		l.t.Logf("%s has %d lines, more than 500", l.file.name, lines)
	}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		length := l.positions.Position(f.End()).Line - l.positions.Position(f.Pos()).Line
		if length > 80 {
			l.t.Logf("%s: %s has %d lines, more than 80", l.positions.Position(f.Pos()), f.Name.Name, length)
		}
	}
}
