# bitstack.gp - perplexity of a stack against the bytes of memory that its loaded blocks take.
#
# gnuplot -c bitstack.gp DATA.tsv OUT   writes OUT.svg
#
# DATA: bytes, then a column a stack, named by the first line; the plain SVD, far above, is left to the table.  Colours: Okabe and Ito.
set datafile separator "\t"
set key autotitle columnhead top right reverse Left samplen 2
set terminal svg size 640,420 dynamic enhanced font "DejaVu Sans,13" background "white"
set output sprintf("%s.svg", ARG2)
set xlabel "MB of memory: blocks and what stays"
set ylabel "perplexity"
set logscale y
set yrange [31:60]
set border 3
set tics nomirror out scale 0.6
set ytics (31, 32, 33, 34, 36, 38, 40, 45, 50, 55, 60)
array colour[4] = ["#666666", "#0072B2", "#D55E00", "#009E73"]
data = ARG1
plot for [i = 2:5] data using ($1 / 1e6):i with linespoints lw 2 pt 7 ps 0.5 lc rgb colour[i - 1]
