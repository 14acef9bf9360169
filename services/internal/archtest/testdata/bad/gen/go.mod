module github.com/freshet-io/freshet/gen

go 1.26.0
