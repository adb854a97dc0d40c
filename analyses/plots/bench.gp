# bench.gp - bits per symbol over the entropy against decode speed, a panel a data set, a point a coder.
#
# gnuplot -c bench.gp POINTS.tsv OUT TITLE   writes OUT.svg and OUT.pdf
#
# POINTS.tsv comes from `bench --points`; its columns are found by name.  Labels were placed for a
# frame of 45 x 31 heights of the text (tests/bench/show.c): change them together.  Colours: Okabe and Ito.
data = ARG1

set datafile separator "\t"
set key autotitle columnhead
unset key
stats data using (column("panel")) name "P" nooutput
panels = int(P_max) + 1
columns = 2
rows = (panels + 1 + columns - 1) / columns # one more for the key
names = system(sprintf("awk -F'\t' 'NR > 1 && !seen[$2]++ { print $2 }' '%s'", data))

# ours, another library behind our door, a peer, our split around a peer
array colour[4] = [0x0072B2, 0x56B4E9, 0xD55E00, 0xAA7700]
array shape[4] = [7, 6, 9, 8]
array words[4] = ["ours", "another library behind our interface", "peer", "peer behind our split and join"]

width = 620; height = 460 # of a panel: 12 pixels a height of text
left = 58; right = 22; top = 36; bottom = 52
set border 3 lc rgb "#666666"
set tics nomirror out scale 0.6 tc rgb "black"
set format y "%g"

do for [kind in "svg pdf"] {
    if (kind eq "svg") {
        set terminal svg size (columns * width),(rows * height + 30) dynamic noenhanced font "DejaVu Sans,12" background "white"
    } else {
        set terminal pdfcairo size (columns * width / 100.),((rows * height + 30) / 100.) noenhanced font "DejaVu Sans,8.6"
    }
    total = rows * height + 30.
    set output sprintf("%s.%s", ARG2, kind)
    set multiplot title ARG3 noenhanced font ",15"
    do for [p = 0:panels - 1] {
        x = p % columns; y = rows - 1 - p / columns
        set lmargin at screen (x * width + left) / (1. * columns * width)
        set rmargin at screen ((x + 1) * width - right) / (1. * columns * width)
        set bmargin at screen (y * height + bottom) / total
        set tmargin at screen ((y + 1) * height - top) / total
        unset nonlinear x; unset logscale; set xrange [*:*]; set yrange [*:*] # stats looks at them
        stats data using (column("panel") == p ? column("floor") : NaN) name "F" nooutput
        stats data using (column("panel") == p ? column("least") : NaN) name "L" nooutput
        stats data using (column("panel") == p ? column("most") : NaN) name "M" nooutput
        stats data using (column("panel") == p ? column("slow") : NaN) name "S" nooutput
        stats data using (column("panel") == p ? column("fast") : NaN) name "Q" nooutput
        stats data using (column("panel") == p ? column("memcpy") : NaN) name "C" nooutput
        floor_ratio = F_min
        set xrange [L_min:M_min]
        set nonlinear x via log(x - floor_ratio) inverse exp(x) + floor_ratio
        set logscale y 10
        set yrange [S_min:Q_min]
        set ytics (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200)
        set xtics (0.98, "1" 1, "" 1.01, 1.02, "1.05" 1.05, 1.1, 1.2, 1.5, 2, 3, 4)
        set title word(names, p + 1) offset 0,-0.4
        set xlabel "bits per symbol / entropy (log scale from below 1)" offset 0,0.4
        set ylabel "decode GB/s" offset 1.4,0
        set arrow 1 from first 1, first S_min to first 1, first Q_min nohead lc rgb "#666666" lw 0.8 dt 4 back
        set arrow 2 from first L_min, first C_min to first M_min, first C_min nohead lc rgb "#009E73" lw 0.8 dt 2 back
        set label 2 "memcpy" at graph 0.01, first C_min left offset 0,0.5 tc rgb "#009E73"
        plot data using (column("panel") == p ? column("ratio") : NaN):(column("gbps")):(column("line_ratio") - column("ratio")):(column("line_gbps") - column("gbps")) \
                 with vectors nohead lc rgb "#999999" lw 0.6, \
             for [k = 0:3] data using (column("panel") == p && column("kind") == k ? column("ratio") : NaN):(column("gbps")) \
                 with points pt shape[k + 1] ps 0.6 lw 1.2 lc rgb colour[k + 1], \
             for [k = 0:3] data using (column("panel") == p && column("kind") == k ? column("label_ratio") : NaN):(column("label_gbps")):(stringcolumn("contestant")) \
                 with labels left tc rgb colour[k + 1]
    }
    # the key, in the place of one more panel
    unset nonlinear x; unset logscale; set xrange [0:1]; set yrange [0:1]; unset arrow; unset label; unset title; unset xlabel; unset ylabel; unset border; unset tics
    x = panels % columns; y = rows - 1 - panels / columns
    set lmargin at screen (x * width + left) / (1. * columns * width)
    set rmargin at screen ((x + 1) * width - right) / (1. * columns * width)
    set bmargin at screen (y * height + bottom) / total
    set tmargin at screen ((y + 1) * height - top) / total
    do for [k = 0:3] { set label k + 10 words[k + 1] at 0.1, 0.9 - 0.08 * k left point pt shape[k + 1] ps 0.8 lw 1.2 lc rgb colour[k + 1] offset 1.2,0 tc rgb colour[k + 1] }
    set label 14 "fast and small is above and to the left" at 0.1, 0.9 - 0.08 * 4.3 left
    plot 2 notitle
    unset label
    unset multiplot
    unset output
    set border 3 lc rgb "#666666"
    set tics nomirror out scale 0.6 tc rgb "black"
}
