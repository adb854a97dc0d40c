# bitstack.gp - perplexity of a stack against the bytes of memory that its loaded blocks take.
#
# gnuplot -c bitstack.gp DATA.tsv OUT   writes OUT.svg
#
# DATA: bytes, then a column a stack, named by the first line, and a comment with the perplexity uncompressed; the plain SVD, far above, is
# left to the table.  Colours: Okabe and Ito.
set datafile separator "\t"
set key autotitle columnhead top right reverse Left samplen 2
set terminal svg size 640,420 dynamic enhanced font "DejaVu Sans,13" background "white"
set output sprintf("%s.svg", ARG2)
set xlabel "MB of memory: blocks and what stays" offset 0,0.3
set ylabel "perplexity (log scale)" offset 1,0
set logscale y
set yrange [29.6:60]
set border 3 lc rgb "#666666"
set tics nomirror out scale 0.6 tc rgb "black"
set ytics (31, 32, 33, 34, 36, 38, 40, 45, 50, 55, 60)
bound = system(sprintf("sed -n 's/^# uncompressed:[[:blank:]]*//p' '%s'", ARG1)) + 0
set arrow 1 from graph 0, first bound to graph 1, first bound nohead lc rgb "black" dt 4 back
set label 1 sprintf("uncompressed, in 9.5 MB: %.2f", bound) at graph 0.01, first bound offset 0,-0.6
array mark[4] = [5, 7, 9, 12]
array dash[4] = [1, 1, 2, 4]
array colour[4] = ["#666666", "#0072B2", "#D55E00", "#009E73"]
data = ARG1
plot for [i = 2:5] data using ($1 / 1e6):i with linespoints lw 1.8 dt dash[i - 1] pt mark[i - 1] ps 0.7 lc rgb colour[i - 1]
